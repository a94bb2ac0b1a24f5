//! What comes in is copied, what goes out stays within the caller's room.

use std::mem::offset_of;
use std::ptr;

use super::*;

fn code<T>(result: Result<T, Failure>) -> ErrorCode {
    result.err().expect("it was refused").code()
}

#[test]
fn struct_size_comes_first() {
    macro_rules! offsets {
        ($($type:ty)+) => { [$(offset_of!($type, struct_size)),+] };
    }
    let offsets = offsets! {
        tc_node_status_t tc_tip_t tc_balance_t tc_mempool_info_t tc_utxo_t tc_payment_t
        tc_transaction_status_t tc_transaction_info_t tc_block_info_t tc_event_info_t
        tc_peer_t tc_sim_node_status_t tc_network_metrics_t tc_network_event_t tc_sim_failure_t
        tc_bootstrapped_t tc_bootstrap_progress_t
    };
    assert_eq!(offsets, [0; 17]);
}

/// A caller with an older, a newer or no idea of the struct.
#[test]
fn a_report_fits_the_callers_struct() {
    const BYTES: usize = size_of::<tc_tip_t>();
    let tip = tc_tip_t {
        struct_size: 0,
        height: 7,
        timestamp_ms: 8,
        hash: tc_block_hash_t { bytes: [9; 32] },
    };
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Larger {
        tip: tc_tip_t,
        more: [u8; 16],
    }
    let mut larger = Larger { tip, more: [0xEE; 16] };
    larger.tip.struct_size = BYTES + 8;
    report_out(&raw mut larger.tip, "tip").unwrap().write(tip);
    assert_eq!((larger.tip.struct_size, larger.tip.height), (BYTES + 8, 7));
    assert_eq!(larger.more, [[0; 8], [0xEE; 8]].concat()[..]);
    for size in [0, 8, BYTES - 1, REPORT_BYTES_MAX + 1, usize::MAX] {
        larger.tip.struct_size = size;
        let refused = report_out(&raw mut larger.tip, "tip");
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
    }
    assert_eq!(code(report_out(ptr::null_mut::<tc_tip_t>(), "tip")), ErrorCode::NullArgument);
}

#[test]
fn reports_of_an_array_lie_as_far_apart_as_the_caller_says() {
    let tip = |height| tc_tip_t {
        struct_size: 0,
        height,
        timestamp_ms: 0,
        hash: tc_block_hash_t { bytes: [0; 32] },
    };
    let mut tips = [tip(0); 3];
    tips[0].struct_size = size_of::<tc_tip_t>();
    reports_out(tips.as_mut_ptr(), 2, "tips").unwrap().write([1, 2, 3].into_iter().map(tip));
    assert_eq!(tips.map(|tip| tip.height), [1, 2, 0]);
    let too_many = reports_out(tips.as_mut_ptr(), usize::MAX / 2, "tips");
    assert_eq!(code(too_many), ErrorCode::InvalidArgument);
}

#[test]
fn a_buffer_gets_all_or_nothing_and_says_how_much_it_takes() {
    let mut buffer = [b'#'; 6];
    let mut required = 0;
    let mut write = |bytes_max, text: &str| {
        let out = text_out(buffer.as_mut_ptr().cast(), bytes_max, &raw mut required, "text");
        let written = out.and_then(|out| out.write(text)).map_err(|failure| failure.code());
        (written, required, buffer)
    };
    assert_eq!(write(4, "abc"), (Ok(()), 4, *b"abc\0##"));
    assert_eq!(write(4, "wxyz"), (Err(ErrorCode::BufferTooSmall), 5, *b"abc\0##"));
    assert_eq!(write(0, ""), (Err(ErrorCode::BufferTooSmall), 1, *b"abc\0##"));
    assert_eq!(write(1, ""), (Ok(()), 1, *b"\0bc\0##"));
    let none = text_out(ptr::null_mut(), 0, ptr::null_mut(), "text").unwrap();
    assert_eq!(code(none.write("abc")), ErrorCode::BufferTooSmall);
    let null = text_out(ptr::null_mut(), 1, ptr::null_mut(), "text");
    assert_eq!(code(null), ErrorCode::NullArgument);
}

#[test]
fn inputs_are_copied_from_any_alignment() {
    let outputs =
        [tc_tx_output_t { value: 5, address: tc_address_t { bytes: [6; 20] }, reserved: 0 }; 2];
    let mut shifted = [0u8; 1 + size_of::<[tc_tx_output_t; 2]>()];
    for shift in [0, 1] {
        let place = shifted.as_mut_ptr().wrapping_add(shift);
        // SAFETY: `shifted` has one byte more than two outputs.
        unsafe { place.cast::<[tc_tx_output_t; 2]>().write_unaligned(outputs) };
        assert_eq!(values(place.cast::<tc_tx_output_t>(), 2, "outputs").unwrap(), outputs);
        assert_eq!(value(place.cast::<tc_tx_output_t>(), "output").unwrap(), outputs[0]);
    }
    assert!(values(ptr::null::<u8>(), 0, "none").unwrap().is_empty());
    assert_eq!(code(values(ptr::null::<u8>(), 1, "one")), ErrorCode::NullArgument);
    let too_long = values(outputs.as_ptr(), usize::MAX, "outputs");
    assert_eq!(code(too_long), ErrorCode::InvalidArgument);
}

#[test]
fn a_text_is_utf_8() {
    assert_eq!(text(c"gr\u{fc}n".as_ptr(), "text").unwrap(), "gr\u{fc}n");
    assert_eq!(code(text(c"\xff".as_ptr(), "text")), ErrorCode::InvalidArgument);
    assert_eq!(code(text(ptr::null(), "text")), ErrorCode::NullArgument);
}

#[test]
fn a_secret_is_overwritten() {
    let mut secret = tc_secret_t { bytes: [7; 32] };
    wipe(&raw mut secret);
    assert_eq!(secret.bytes, [0; 32]);
    wipe(ptr::null_mut());
}
