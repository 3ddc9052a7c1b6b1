//! Receipts and checkpoints in files: the contract's messages as proto3 JSON, so that other tools read them too.
//!
//! `{"receipt": …}` is a `GetReceiptResponse`, `{"checkpoint": …}` a `GetCheckpointResponse`; beside a checkpoint may
//! stand `"consistency"`, a `GetConsistencyProofResponse` from an older one to it.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use bursar_proto::FILE_DESCRIPTOR_SET;
use bursar_proto::ledger::v1::{Checkpoint, GetConsistencyProofResponse, Receipt};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value};

use crate::exit::Exit;

/// Largest file that is read: a receipt of the largest batch takes some megabytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET)
        .expect("the build of bursar-proto compiled this descriptor set")
});

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    pub(super) receipt: Option<Receipt>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) consistency: Option<GetConsistencyProofResponse>,
}

fn descriptor<M: Name>() -> Result<MessageDescriptor, String> {
    DESCRIPTORS.get_message_by_name(&M::full_name()).ok_or_else(|| format!("{} is not known", M::full_name()))
}

fn to_json<M: Message + Name>(message: &M) -> Result<Value, String> {
    let dynamic = DynamicMessage::decode(descriptor::<M>()?, message.encode_to_vec().as_slice());
    let dynamic = dynamic.map_err(|error| error.to_string())?;
    serde_json::to_value(dynamic).map_err(|error| error.to_string())
}

fn from_json<M: Message + Name + Default>(value: Value) -> Result<M, String> {
    let dynamic =
        DynamicMessage::deserialize(descriptor::<M>()?, value).map_err(|error| error.to_string())?;
    M::decode(dynamic.encode_to_vec().as_slice()).map_err(|error| error.to_string())
}

impl Kept {
    /// The checkpoint, a receipt's as well.
    pub(super) fn log(&self) -> Option<&Checkpoint> {
        let of_receipt = self.receipt.as_ref().and_then(|receipt| receipt.checkpoint.as_ref());
        self.checkpoint.as_ref().or(of_receipt)
    }

    /// The text of the file.
    pub(super) fn text(&self) -> Result<String, Exit> {
        let write = || {
            let mut file = Map::new();
            if let Some(receipt) = &self.receipt {
                file.insert("receipt".into(), to_json(receipt)?);
            }
            if let Some(checkpoint) = &self.checkpoint {
                file.insert("checkpoint".into(), to_json(checkpoint)?);
            }
            if let Some(consistency) = &self.consistency {
                file.insert("consistency".into(), to_json(consistency)?);
            }
            serde_json::to_string_pretty(&file).map_err(|error| error.to_string())
        };
        write()
            .map_err(|error| Exit::software(format!("what was fetched cannot be written as JSON: {error}")))
    }

    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Exit> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            Exit::usage(format!("cannot read {shown}: {error}; name a file you can read"))
        };
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX {
            return Err(Exit::usage(format!("{shown} is too large for a receipt: name another file")));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text).map_err(|error| {
            Exit::usage(format!(
                "{shown} is neither a receipt nor a checkpoint ({error}); fetch one with `bursar ledger receipt` or \
                 `bursar ledger checkpoint`"
            ))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut file: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut take = |name: &str| file.remove(name);
        let kept = Self {
            receipt: take("receipt").map(from_json).transpose()?,
            checkpoint: take("checkpoint").map(from_json).transpose()?,
            consistency: take("consistency").map(from_json).transpose()?,
        };
        if let Some(name) = file.keys().next() {
            return Err(format!("`{name}` belongs in no such file"));
        }
        match (&kept.receipt, &kept.checkpoint) {
            (Some(_), None) | (None, Some(_)) => Ok(kept),
            _ => Err("it must hold one `receipt` or one `checkpoint`".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { text: "a\nb".into(), size: 1 << 60, root_hash: vec![255; 32] }
    }

    #[test]
    fn files_come_back() {
        let receipt = Receipt {
            transfer_id: "tran_1".into(),
            position: 7,
            time: Some(prost_types::Timestamp { seconds: 1_795_643_880, nanos: 123_456_000 }),
            record: (0..=255).collect(),
            path: vec![vec![1; 32], vec![2; 32]],
            checkpoint: Some(checkpoint()),
        };
        let proof = GetConsistencyProofResponse { old_size: 3, new_size: 1 << 60, path: vec![vec![9; 32]] };
        for kept in [
            Kept { receipt: Some(receipt), ..Kept::default() },
            Kept { checkpoint: Some(checkpoint()), ..Kept::default() },
            Kept { checkpoint: Some(checkpoint()), consistency: Some(proof), ..Kept::default() },
        ] {
            assert_eq!(Kept::parse(&kept.text().unwrap()), Ok(kept));
        }
    }

    #[test]
    fn other_files_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"checkpoint\": {}, \"receipt\": {}}",
            "{\"checkpoint\": {\"size\": \"x\"}}",
            "{\"checkpoint\": {\"more\": 1}}",
            "{\"checkpoint\": {}, \"more\": 1}",
            "{\"consistency\": {}}",
            "{\"receipt\": {\"record\": \"?\"}}",
        ] {
            assert!(Kept::parse(text).is_err(), "{text}");
        }
    }
}
