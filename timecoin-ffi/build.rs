//! Names the shared library as the dynamic linker shall look for it: programs that were linked
//! with one ABI version find that one. The number is `TC_ABI_VERSION`'s major part.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtimecoin.so.0");
    }
}
