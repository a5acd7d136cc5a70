//! Compiles the agent-coordinator protocol without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    #[cfg(feature = "grpc")]
    {
        let files = protox::compile(["bms/agent/v1/agent.proto"], ["proto"])?;
        // They hold passwords; `convert` prints them without.
        let secret = [
            "bms.agent.v1.BmcEndpoint",
            "bms.agent.v1.BmcSettings",
            "bms.agent.v1.NextPassword",
            "bms.agent.v1.BmcCredential",
            "bms.agent.v1.HandOver",
        ];
        tonic_prost_build::configure().skip_debug(secret).compile_fds(files)?;
    }
    Ok(())
}
