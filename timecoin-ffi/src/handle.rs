//! Handles: 64-bit numbers that stand for objects, checked at every use.
//!
//! ```text
//! 63      56 55                32 31                 0
//! ┌─────────┬────────────────────┬────────────────────┐
//! │ kind    │ generation         │ slot               │
//! └─────────┴────────────────────┴────────────────────┘
//! ```
//! Freeing raises the slot's generation, so that an old handle never finds the object that took
//! its place. A slot whose generations are used up is not used again. Kinds begin at 1, so no
//! handle is 0. A use holds the object by an `Arc`: freeing during a use takes effect after it.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use timecoin_core::ErrorCode;

use crate::failure::Failure;

/// Something that a handle can stand for.
pub(crate) trait Object: Any + Send + Sync {
    /// Different for each type; from 1.
    const KIND: u8;
    /// How errors call it.
    const NAME: &'static str;
}

/// Objects by handle.
pub(crate) struct HandleTable(RwLock<Slots>);

struct Slots {
    slots: Vec<Slot>,
    /// Free slots; the one freed longest ago is used first, which spreads the generations.
    free: VecDeque<u32>,
    slots_max: u32,
}

struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

struct Entry {
    kind: u8,
    object: Arc<dyn Any + Send + Sync>,
}

impl HandleTable {
    /// An empty table with room for so many objects at once.
    pub(crate) const fn new(slots_max: u32) -> Self {
        HandleTable(RwLock::new(Slots { slots: Vec::new(), free: VecDeque::new(), slots_max }))
    }

    /// Puts an object in and gives its handle.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] where the host keeps too many.
    pub(crate) fn insert<T: Object>(&self, object: T) -> Result<u64, Failure> {
        let object: Arc<dyn Any + Send + Sync> = Arc::new(object);
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let index = match table.free.pop_front() {
            Some(index) => index,
            None => {
                let index = u32::try_from(table.slots.len()).unwrap_or(u32::MAX);
                if index >= table.slots_max {
                    let text = format!("{index} handles are in use: free those not needed");
                    return Err(Failure::new(ErrorCode::Busy, text));
                }
                table.slots.push(Slot { generation: 1, entry: None });
                index
            }
        };
        let slot = &mut table.slots[index as usize];
        slot.entry = Some(Entry { kind: T::KIND, object });
        Ok(pack(T::KIND, slot.generation, index))
    }

    /// The object of a handle.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidHandle`].
    pub(crate) fn get<T: Object>(&self, handle: u64) -> Result<Arc<T>, Failure> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let index = table.find::<T>(handle)?;
        let entry = table.slots[index as usize].entry.as_ref();
        let object = entry.map(|entry| Arc::clone(&entry.object));
        drop(table);
        let object = object.and_then(|object| object.downcast().ok());
        object.ok_or_else(|| invalid::<T>("is of another kind"))
    }

    /// Takes an object out; its handle is invalid from now on.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidHandle`].
    pub(crate) fn remove<T: Object>(&self, handle: u64) -> Result<Arc<T>, Failure> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let index = table.find::<T>(handle)?;
        let slot = &mut table.slots[index as usize];
        let entry = slot.entry.take();
        slot.generation += 1;
        if slot.generation <= GENERATION_MAX {
            table.free.push_back(index);
        }
        drop(table);
        let object = entry.and_then(|entry| entry.object.downcast().ok());
        object.ok_or_else(|| invalid::<T>("is of another kind"))
    }
}

impl Slots {
    /// The slot of a handle that is valid for a `T`.
    fn find<T: Object>(&self, handle: u64) -> Result<u32, Failure> {
        let (kind, generation, index) = unpack(handle);
        if handle == 0 {
            return Err(invalid::<T>("is 0, which none is"));
        }
        if kind != T::KIND {
            return Err(invalid::<T>("is of another kind"));
        }
        match self.slots.get(index as usize) {
            Some(Slot { generation: now, entry: Some(entry) })
                if *now == generation && entry.kind == kind =>
            {
                Ok(index)
            }
            Some(slot) if generation > 0 && generation < slot.generation => {
                Err(invalid::<T>("is freed already"))
            }
            _ => Err(invalid::<T>("was never given out")),
        }
    }
}

fn pack(kind: u8, generation: u32, index: u32) -> u64 {
    u64::from(kind) << 56 | u64::from(generation) << 32 | u64::from(index)
}

fn unpack(handle: u64) -> (u8, u32, u32) {
    let bytes = handle.to_be_bytes();
    let generation = u32::from_be_bytes([0, bytes[1], bytes[2], bytes[3]]);
    let index = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    (bytes[0], generation, index)
}

fn invalid<T: Object>(why: &str) -> Failure {
    Failure::new(ErrorCode::InvalidHandle, format!("the {} handle {why}", T::NAME))
}

/// Generations have 24 bits.
const GENERATION_MAX: u32 = (1 << 24) - 1;

/// Objects of a process at once: a host that never frees is told so before memory runs out.
const HANDLES_MAX: u32 = 16_777_216;

/// The objects of this process.
pub(crate) static HANDLES: HandleTable = HandleTable::new(HANDLES_MAX);

#[cfg(test)]
mod tests;
