//! Names for the functions of a module.

use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{BinaryReaderError, Parser, Payload, TypeRef};

use crate::order;

/// The same module; each function of its own is named by its place in [`order::by_likeness`], the names that it had are gone.
///
/// # Errors
/// Bytes that are no module.
pub(crate) fn by_likeness(bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut module = Module::new();
    let mut imported = 0_u32;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    if matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                        imported = imported.saturating_add(1);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            Payload::CustomSection(custom) if custom.name() == "name" => continue,
            _ => {}
        }
        if let Some((id, range)) = payload.as_section()
            && let Some(data) = bytes.get(range)
        {
            module.section(&RawSection { id, data });
        }
    }
    let mut places: Vec<(u32, usize)> = order::by_likeness(&bodies)
        .into_iter()
        .enumerate()
        .filter_map(|(place, index)| Some((u32::try_from(index).ok()?, place)))
        .collect();
    places.sort_unstable();
    let mut functions = NameMap::new();
    for (index, place) in places {
        functions.append(imported.saturating_add(index), &format!("{place:08}"));
    }
    let mut names = NameSection::new();
    names.functions(&functions);
    module.section(&names);
    Ok(module.finish())
}
