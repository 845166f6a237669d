//! What serde asks of a [`Writer`].

use serde::Serialize;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Result};

use super::Numbers;
use super::writer::{Member, NO_INTEGER, Writer};

const NO_JSON: &str = "a value that is not JSON";

impl Writer {
    fn begin(&mut self, bracket: u8, close: u8) -> Parts<'_> {
        self.out.push(bracket);
        Parts { first: self.members.len(), some: false, variant: None, close, writer: self }
    }

    /// An object with one member: a variant that is not only a name.
    fn begin_variant(&mut self, variant: &str, bracket: u8, close: u8) -> Result<Parts<'_>> {
        let first = self.members.len();
        self.out.push(b'{');
        self.push_text(variant)?;
        self.out.push(b':');
        self.out.push(bracket);
        Ok(Parts { first, some: false, variant: Some(b'}'), close, writer: self })
    }
}

/// What is inside of brackets.
pub(super) struct Parts<'w> {
    writer: &'w mut Writer,
    /// Where the members of this object begin.
    first: usize,
    /// Whether there is a part already.
    some: bool,
    close: u8,
    /// What closes the object around the parts of a variant.
    variant: Option<u8>,
}

impl Parts<'_> {
    fn separate(&mut self) {
        if std::mem::replace(&mut self.some, true) {
            self.writer.out.push(b',');
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.separate();
        value.serialize(&mut *self.writer)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.separate();
        let start = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        if self.writer.out.get(start) != Some(&b'"') {
            return Err(Error::custom("a member whose name is no text"));
        }
        let (key_end, plain) = (self.writer.out.len(), self.writer.plain);
        self.writer.members.push(Member { start, key_end, plain });
        self.writer.push(b":")
    }

    fn close(self) -> Result<()> {
        if self.close == b'}' {
            self.writer.sort(self.first)?;
        }
        self.writer.out.push(self.close);
        self.writer.out.extend(self.variant);
        Ok(())
    }
}

/// Every kind of sequence has the same parts.
macro_rules! items {
    ($($kind:ident::$method:ident),*) => {
        $(impl $kind for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.item(value)
            }

            fn end(self) -> Result<()> {
                self.close()
            }
        })*
    };
}

/// And so has every kind of object.
macro_rules! members {
    ($($kind:ident),*) => {
        $(impl $kind for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.key(name)?;
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Result<()> {
                self.close()
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}
members!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

/// Writes numbers of a type.
macro_rules! integers {
    ($($method:ident($kind:ty): $size:expr),*) => {
        $(fn $method(self, value: $kind) -> Result<()> {
            let size: fn($kind) -> u64 = $size;
            self.push_integer(value, size(value))
        })*
    };
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'w>;
    type SerializeTuple = Parts<'w>;
    type SerializeTupleStruct = Parts<'w>;
    type SerializeTupleVariant = Parts<'w>;
    type SerializeMap = Parts<'w>;
    type SerializeStruct = Parts<'w>;
    type SerializeStructVariant = Parts<'w>;

    integers! {
        serialize_i8(i8): |value| value.unsigned_abs().into(),
        serialize_i16(i16): |value| value.unsigned_abs().into(),
        serialize_i32(i32): |value| value.unsigned_abs().into(),
        serialize_i64(i64): i64::unsigned_abs,
        serialize_u8(u8): u64::from,
        serialize_u16(u16): u64::from,
        serialize_u32(u32): u64::from,
        serialize_u64(u64): |value| value
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.push(if value { b"true" } else { b"false" })
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        match self.numbers {
            Numbers::Integers => Err(Error::custom(NO_INTEGER)),
            Numbers::All if !value.is_finite() => Err(Error::custom("a number that is no number")),
            Numbers::All => self.push(ryu_js::Buffer::new().format_finite(value).as_bytes()),
        }
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.push_text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.push_text(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<()> {
        Err(Error::custom(NO_JSON))
    }

    fn serialize_none(self) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.push_text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let mut parts = self.begin(b'{', b'}');
        SerializeStruct::serialize_field(&mut parts, variant, value)?;
        parts.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Parts<'w>> {
        self.begin_variant(variant, b'[', b']')
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'w>> {
        Ok(self.begin(b'{', b'}'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'{', b'}'))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Parts<'w>> {
        self.begin_variant(variant, b'{', b'}')
    }
}
