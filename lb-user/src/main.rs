//! The `lvx` program.
fn main() -> anyhow::Result<()> {
    let (mut plane, _maps) = lb_user::dataplane::DataPlane::load(Default::default(), 42)?;
    println!("{:?}", plane.sweep(lb_user::tables::maps::FlowTable::Connections)?);
    println!("{:?}", plane.sweep(lb_user::tables::maps::FlowTable::Templates)?);
    println!("{:?}", plane.reasons()?);
    Ok(())
}
