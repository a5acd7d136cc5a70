//! Compiles the agent-coordinator protocol without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    #[cfg(feature = "grpc")]
    {
        let files = protox::compile(["bms/agent/v1/agent.proto"], ["proto"])?;
        // It holds a BMC's password; `convert::spec` prints it without.
        tonic_prost_build::configure().skip_debug(["bms.agent.v1.BmcEndpoint"]).compile_fds(files)?;
    }
    Ok(())
}
