//! One story on two networks: real masternodes with threads and clocks, and simulated ones in
//! virtual time. The payments have the same ids on both.

#![allow(clippy::print_stdout, reason = "it tells its story there")]

mod scenario;

use std::error::Error;
use std::time::{Duration, Instant};

use timecoin_core::localnet::{LocalNet, LocalNetConfig};
use timecoin_core::sim::{Simulation, SimulationConfig};

const SEED: u64 = 7;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!("four real masternodes, in this process:");
    let began = Instant::now();
    let mut net = LocalNet::start(LocalNetConfig::new(4, SEED))?;
    let real = scenario::tell(&mut net, &mut |line| println!("  {line}"))?;
    net.close(Duration::from_secs(60))?;
    println!("  it took {:.1} s", began.elapsed().as_secs_f64());

    println!("four simulated ones, with 20 to 80 ms between them:");
    let began = Instant::now();
    let mut sim = Simulation::new(SimulationConfig::new(4, SEED))?;
    let simulated = scenario::tell(&mut sim, &mut |line| println!("  {line}"))?;
    let (virtual_time, real_time) = (sim.elapsed(), began.elapsed());
    println!(
        "  it took {:.1} s of virtual time, which passed in {:.2} s",
        virtual_time.as_secs_f64(),
        real_time.as_secs_f64()
    );
    if real != simulated {
        return Err("the same payments have other ids".into());
    }
    println!("the payments have the same ids on both");
    Ok(())
}
