//! What one policy may use. Every limit is finite and has an upper bound that no manifest can lift.

/// The limits of one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Fuel of one evaluation, in wasmtime's units (about one per instruction).
    pub fuel: u64,
    /// Wall time of one evaluation, in milliseconds.
    pub time_ms: u64,
    /// Linear memory, in bytes, summed over all memories of the component.
    pub memory_bytes: u64,
    /// Table elements, summed over all tables of the component.
    pub table_elements: u64,
    /// Core instances, memories and tables that the component may create, each.
    pub instances: u64,
    /// The answer, in bytes, as the host would hold it.
    pub result_bytes: u64,
    /// Log lines kept of one evaluation, in bytes.
    pub log_bytes: u64,
    /// Host calls in one evaluation.
    pub host_calls: u64,
    /// Bytes over all host calls of one evaluation, both ways.
    pub host_call_bytes: u64,
    /// The module's file, in bytes.
    pub module_bytes: u64,
    /// Fuel of `configure`.
    pub configure_fuel: u64,
    /// Wall time of `configure`, in milliseconds.
    pub configure_time_ms: u64,
}

/// One limit as the manifest knows it.
#[derive(Clone, Copy, Debug)]
pub struct LimitKey {
    /// The key in the manifest, with its unit.
    pub key: &'static str,
    /// How many of the field's units are one of the key's: 1, 1,024 (KiB) or 1,048,576 (MiB).
    pub scale: u64,
    /// The largest value, in the key's unit. The smallest is 1.
    pub maximum: u64,
    field: fn(&mut Limits) -> &mut u64,
}

/// A limit that is 0 or above its upper bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{key}` is {value}: it must be 1 to {maximum}")]
pub struct LimitError {
    /// The key in the manifest.
    pub key: &'static str,
    /// What was asked for, in the key's unit, rounded down.
    pub value: u64,
    /// The largest value, in the key's unit.
    pub maximum: u64,
}

impl Limits {
    /// Checks every field against its bounds.
    ///
    /// # Errors
    /// The first field that is 0 or above its upper bound.
    pub fn check(&self) -> Result<(), LimitError> {
        for limit in &LIMIT_KEYS {
            let value = limit.get(self);
            if value == 0 || value > limit.maximum.saturating_mul(limit.scale) {
                return Err(LimitError { key: limit.key, value: value / limit.scale, maximum: limit.maximum });
            }
        }
        Ok(())
    }
}

impl LimitKey {
    /// The limit of that key.
    #[must_use]
    pub fn named(key: &str) -> Option<&'static LimitKey> {
        LIMIT_KEYS.iter().find(|limit| limit.key == key)
    }

    /// The field's value, in the field's unit.
    #[must_use]
    pub fn get(&self, limits: &Limits) -> u64 {
        let mut copy = *limits;
        *(self.field)(&mut copy)
    }

    /// Sets the field from a value in the key's unit.
    ///
    /// # Errors
    /// The value is 0 or above the upper bound.
    pub fn set(&self, limits: &mut Limits, value: u64) -> Result<(), LimitError> {
        if value == 0 || value > self.maximum {
            return Err(LimitError { key: self.key, value, maximum: self.maximum });
        }
        *(self.field)(limits) = value.saturating_mul(self.scale);
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fuel: 10_000_000,
            time_ms: 100,
            memory_bytes: 16 * MIB,
            table_elements: 10_000,
            instances: 16,
            result_bytes: 256 * KIB,
            log_bytes: 16 * KIB,
            host_calls: 256,
            host_call_bytes: 1024 * KIB,
            module_bytes: 32 * MIB,
            configure_fuel: 1_000_000_000,
            configure_time_ms: 5_000,
        }
    }
}

/// Every limit, in the manifest's order, with its upper bound.
pub const LIMIT_KEYS: [LimitKey; 12] = [
    LimitKey { key: "fuel", scale: 1, maximum: MAX_FUEL, field: |l| &mut l.fuel },
    LimitKey { key: "time-ms", scale: 1, maximum: MAX_TIME_MS, field: |l| &mut l.time_ms },
    LimitKey { key: "memory-mib", scale: MIB, maximum: MAX_MEMORY_MIB, field: |l| &mut l.memory_bytes },
    LimitKey { key: "table-elements", scale: 1, maximum: MAX_TABLE_ELEMENTS, field: |l| &mut l.table_elements },
    LimitKey { key: "instances", scale: 1, maximum: MAX_INSTANCES, field: |l| &mut l.instances },
    LimitKey { key: "result-kib", scale: KIB, maximum: MAX_RESULT_KIB, field: |l| &mut l.result_bytes },
    LimitKey { key: "log-kib", scale: KIB, maximum: MAX_LOG_KIB, field: |l| &mut l.log_bytes },
    LimitKey { key: "host-calls", scale: 1, maximum: MAX_HOST_CALLS, field: |l| &mut l.host_calls },
    LimitKey { key: "host-call-kib", scale: KIB, maximum: MAX_HOST_CALL_KIB, field: |l| &mut l.host_call_bytes },
    LimitKey { key: "module-mib", scale: MIB, maximum: MAX_MODULE_MIB, field: |l| &mut l.module_bytes },
    LimitKey { key: "configure-fuel", scale: 1, maximum: MAX_CONFIGURE_FUEL, field: |l| &mut l.configure_fuel },
    LimitKey {
        key: "configure-time-ms",
        scale: 1,
        maximum: MAX_CONFIGURE_TIME_MS,
        field: |l| &mut l.configure_time_ms,
    },
];

/// Largest `fuel`.
pub const MAX_FUEL: u64 = 1_000_000_000_000;
/// Largest `time-ms`: a minute.
pub const MAX_TIME_MS: u64 = 60_000;
/// Largest `memory-mib`.
pub const MAX_MEMORY_MIB: u64 = 1024;
/// Largest `table-elements`.
pub const MAX_TABLE_ELEMENTS: u64 = 1_000_000;
/// Largest `instances`.
pub const MAX_INSTANCES: u64 = 1000;
/// Largest `result-kib`.
pub const MAX_RESULT_KIB: u64 = 16 * 1024;
/// Largest `log-kib`.
pub const MAX_LOG_KIB: u64 = 1024;
/// Largest `host-calls`.
pub const MAX_HOST_CALLS: u64 = 1_000_000;
/// Largest `host-call-kib`.
pub const MAX_HOST_CALL_KIB: u64 = 64 * 1024;
/// Largest `module-mib`.
pub const MAX_MODULE_MIB: u64 = 256;
/// Largest `configure-fuel`.
pub const MAX_CONFIGURE_FUEL: u64 = 1_000_000_000_000;
/// Largest `configure-time-ms`: ten minutes.
pub const MAX_CONFIGURE_TIME_MS: u64 = 600_000;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_the_bounds_are_within_the_bounds() {
        Limits::default().check().unwrap();
        let mut largest = Limits::default();
        for limit in &LIMIT_KEYS {
            limit.set(&mut largest, limit.maximum).unwrap();
        }
        largest.check().unwrap();
    }

    #[test]
    fn each_limit_is_its_own_field_and_is_refused_at_zero_and_above_its_bound() {
        for (n, limit) in LIMIT_KEYS.iter().enumerate() {
            let mut limits = Limits::default();
            limit.set(&mut limits, 1).unwrap();
            assert_eq!(limit.get(&limits), limit.scale);
            for (m, other) in LIMIT_KEYS.iter().enumerate() {
                assert_eq!(n == m, other.get(&limits) != other.get(&Limits::default()), "{} {}", limit.key, other.key);
            }
            for value in [0, limit.maximum + 1] {
                let error = LimitError { key: limit.key, value, maximum: limit.maximum };
                assert_eq!(limit.set(&mut limits, value), Err(error));
                *(limit.field)(&mut limits) = value * limit.scale;
                assert_eq!(limits.check(), Err(error));
                limits = Limits::default();
            }
        }
    }
}
