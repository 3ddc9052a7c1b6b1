//! Compiles `proto/` without protoc: messages, clients, servers, the descriptor set for reflection, and from the
//! options in `bursar/type/v1/access.proto` the table of access rules and `Debug` that hides sensitive fields.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, Value};

#[allow(clippy::disallowed_methods)] // cargo tells a build script its folder in the environment
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // The raw bytes keep our own options, which the typed set would drop.
    fs::write(out.join("bursar.bin"), compiler.encode_file_descriptor_set())?;
    let pool = compiler.descriptor_pool();
    let set = prost_types::FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;

    let hidden: Vec<MessageDescriptor> =
        pool.all_messages().filter(|m| ours(m.full_name()) && has_sensitive(&pool, m)).collect();
    let paths: Vec<String> = hidden.iter().map(|m| format!(".{}", m.full_name())).collect();
    let mut config = tonic_prost_build::Config::new();
    // Messages know their full names, for the payloads of events; maps are sorted, for digests of requests.
    config.enable_type_names();
    tonic_prost_build::configure()
        .skip_debug(&paths)
        .btree_map(".")
        .include_file("tree.rs")
        .compile_fds_with_config(set, config)?;
    fs::write(out.join("access.rs"), access_table(&pool)?)?;
    fs::write(out.join("debug.rs"), debug_impls(&pool, &hidden)?)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

fn ours(name: &str) -> bool {
    name.starts_with("bursar.")
}

fn is_sensitive(pool: &DescriptorPool, field: &prost_reflect::FieldDescriptor) -> bool {
    let extension = pool.get_extension_by_name("bursar.type.v1.sensitive").expect("access.proto declares it");
    field.options().get_extension(&extension).as_bool() == Some(true)
}

fn has_sensitive(pool: &DescriptorPool, message: &MessageDescriptor) -> bool {
    message.fields().any(|field| is_sensitive(pool, &field))
}

fn access_of(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name("bursar.type.v1.access")?;
    let options = method.options();
    options.has_extension(&extension).then(|| options.get_extension(&extension).as_message().cloned())?
}

fn number(message: &DynamicMessage, field: &str) -> u32 {
    message.get_field_by_name(field).and_then(|value| value.as_u32()).unwrap_or(0)
}

fn flag(message: &DynamicMessage, field: &str) -> bool {
    message.get_field_by_name(field).and_then(|value| value.as_bool()).unwrap_or(false)
}

fn caller_numbers(access: &DynamicMessage, field: &str) -> BTreeSet<i32> {
    let list = access.get_field_by_name(field).map(std::borrow::Cow::into_owned);
    list.as_ref().and_then(Value::as_list).unwrap_or(&[]).iter().filter_map(Value::as_enum_number).collect()
}

fn access_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("&[\n");
    let mut methods: Vec<_> = pool.services().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
    methods.retain(|method| ours(method.full_name()));
    methods.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    for method in methods {
        let Some(access) = access_of(pool, &method) else {
            return Err(format!("{} has no (bursar.type.v1.access) option", method.full_name()).into());
        };
        let names = caller_numbers(&access, "callers");
        let exempt = caller_numbers(&access, "customer_exempt");
        if names.is_empty() || names.contains(&0) {
            return Err(format!("{} names no callers, or CALLER_UNSPECIFIED", method.full_name()).into());
        }
        let list = |numbers: &BTreeSet<i32>| {
            numbers.iter().map(|n| format!("Identity::from_number({n})")).collect::<Vec<_>>().join(", ")
        };
        writeln!(
            table,
            "MethodAccess {{ path: \"/{}/{}\", service: \"{}\", input: \"{}\", callers: &[{}], customer: {}, customer_exempt: &[{}], second_factor_max_age_seconds: {}, sandbox_only: {}, client_streaming: {}, mutation: {} }},",
            method.parent_service().full_name(),
            method.name(),
            method.parent_service().full_name(),
            method.input().full_name(),
            list(&names),
            flag(&access, "customer"),
            list(&exempt),
            number(&access, "second_factor_max_age_seconds"),
            flag(&access, "sandbox_only"),
            method.is_client_streaming(),
            method.input().get_field_by_name("request_id").is_some(),
        )?;
    }
    table.push(']');
    Ok(table)
}

fn debug_impls(pool: &DescriptorPool, hidden: &[MessageDescriptor]) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for message in hidden {
        if message.oneofs().any(|oneof| oneof.fields().any(|field| is_sensitive(pool, &field))) {
            return Err(format!("{}: a sensitive field may not stand in a oneof", message.full_name()).into());
        }
        let path = rust_path(message);
        writeln!(code, "impl ::core::fmt::Debug for {path} {{")?;
        writeln!(code, "    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{")?;
        writeln!(code, "        f.debug_struct(\"{}\")", message.name())?;
        for field in
            message.fields().filter(|field| field.containing_oneof().is_none_or(|o| o.is_synthetic()))
        {
            let name = field.name();
            if is_sensitive(pool, &field) {
                writeln!(code, "            .field(\"{name}\", &format_args!(\"<hidden>\"))")?;
            } else if matches!(field.kind(), Kind::Bytes) {
                writeln!(code, "            .field(\"{name}\", &format_args!(\"<bytes>\"))")?;
            } else {
                writeln!(code, "            .field(\"{name}\", &self.{})", keyword_safe(name))?;
            }
        }
        writeln!(code, "            .finish_non_exhaustive()\n    }}\n}}")?;
    }
    Ok(code)
}

fn keyword_safe(name: &str) -> String {
    if name == "type" { "r#type".into() } else { name.into() }
}

fn rust_path(message: &MessageDescriptor) -> String {
    let package = message.package_name().split('.').map(keyword_safe).collect::<Vec<_>>().join("::");
    let within =
        message.full_name().strip_prefix(&format!("{}.", message.package_name())).unwrap_or_default();
    format!("crate::tree::{package}::{within}")
}
