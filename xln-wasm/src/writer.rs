//! Rust's values as JavaScript's: a serde format that is made to be small. What is finished and what is begun are kept in one
//! place, so that no type brings its own handling of JavaScript's values.

use js_sys::{Array, BigInt, JsString, Object, Reflect, Uint8Array};
use serde::ser::{self, Impossible, Serialize};
use wasm_bindgen::prelude::*;

use crate::error::Unconverted as Error;
use crate::reader::SIGNED;

/// Writes a plain object; what is 64 bits or more becomes a `bigint`.
///
/// # Errors
/// If a value has no such form.
pub fn write<T: Serialize>(value: &T) -> Result<JsValue, Error> {
    let mut writer = Writer { begun: Vec::new(), done: JsValue::UNDEFINED };
    value.serialize(&mut writer)?;
    Ok(writer.done)
}

/// A value that is being written.
pub struct Writer {
    /// The objects and arrays around the next value, the outermost first.
    begun: Vec<JsValue>,
    /// The value that was finished last.
    done: JsValue,
}

impl Writer {
    #[inline(never)]
    fn put(&mut self, value: JsValue) -> Result<(), Error> {
        self.done = value;
        Ok(())
    }

    #[inline(never)]
    fn begin(&mut self, value: JsValue) {
        self.begun.push(value);
    }

    fn object(&mut self) {
        self.begin(Object::new().into());
    }

    /// Gives the object its field.
    #[inline(never)]
    fn field(&mut self, name: &str) -> Result<(), Error> {
        if let Some(object) = self.begun.last() {
            Reflect::set(object, &JsString::from(name), &self.done)?;
        }
        Ok(())
    }

    /// Gives the array its next element.
    #[inline(never)]
    fn element(&mut self) -> Result<(), Error> {
        if let Some(array) = self.begun.last() {
            array.unchecked_ref::<Array>().push(&self.done);
        }
        Ok(())
    }

    #[inline(never)]
    fn finish(&mut self) -> Result<(), Error> {
        self.done = self.begun.pop().unwrap_or_default();
        Ok(())
    }

    /// `{ name: value }`.
    #[inline(never)]
    fn finish_as(&mut self, name: &str) -> Result<(), Error> {
        self.object();
        self.field(name)?;
        self.finish()
    }
}

impl ser::SerializeSeq for &mut Writer {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)?;
        self.element()
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for &mut Writer {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for &mut Writer {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)?;
        self.field(name)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

/// A variant with fields.
pub struct Variant<'a>(&'a mut Writer, &'static str);

impl ser::SerializeStructVariant for Variant<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.0)?;
        self.0.field(name)
    }

    fn end(self) -> Result<(), Error> {
        self.0.finish()?;
        self.0.finish_as(self.1)
    }
}

/// A big number: a tuple struct of its digits.
pub struct Big<'a>(&'a mut Writer, bool);

impl ser::SerializeTupleStruct for Big<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, digits: &T) -> Result<(), Error> {
        digits.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), Error> {
        let value = BigInt::new(&self.0.done).map_err(JsValue::from)?;
        let value = if self.1 { BigInt::as_int_n(256.0, &value) } else { value };
        self.0.put(value.into())
    }
}

macro_rules! forward {
    ($($write:ident $type:ty,)*) => {$(
        fn $write(self, value: $type) -> Result<(), Error> {
            self.put(value.into())
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Big<'a>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Variant<'a>;

    forward! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_i128 i128,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_u128 u128,
        serialize_f32 f32,
        serialize_f64 f64,
        serialize_str &str,
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.put(JsString::from(value).into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.put(Uint8Array::from(value).into())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.put(JsValue::UNDEFINED)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.put(JsValue::UNDEFINED)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.put(JsValue::UNDEFINED)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Error> {
        self.put(name.into())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(&mut *self)?;
        self.finish_as(name)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        self.begin(Array::new().into());
        Ok(self)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Big<'a>, Error> {
        Ok(Big(self, name == SIGNED))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(ser::Error::custom(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(ser::Error::custom("a map"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        self.object();
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Variant<'a>, Error> {
        self.object();
        Ok(Variant(self, name))
    }
}
