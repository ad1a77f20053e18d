//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    // A program that can lie anywhere has to be put right wherever it says where something is: in that of
    // `wa` these are 74,000 places on 430 pages of memory, each of which the kernel copies. That is half of
    // what it takes to start (`docs/benchmarks.md`), and a report takes no more than ten times that.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bin=wa=-no-pie");
    }
}
