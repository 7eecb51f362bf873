//! The one binary: every subcommand is in `fedflattr::cli`.

fn main() -> std::process::ExitCode {
    fedflattr::cli::main()
}
