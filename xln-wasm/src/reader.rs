//! JavaScript's values as Rust's: a serde format that is made to be small. A struct gets its fields in order and an enum the
//! number of its variant, so that no type brings its own comparison of names; and what is wrong is said in a few words, never
//! printed.

use alloy_primitives::hex;
use js_sys::{Array, BigInt, Number, Reflect};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::U32Deserializer};
use wasm_bindgen::prelude::*;

use crate::error::Unconverted as Error;

#[wasm_bindgen]
extern "C" {
    // Whatever is done with a page's object may run the page's code, which may throw.
    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn property(of: &JsValue, name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = Object, js_name = keys, catch)]
    fn keys(of: &JsValue) -> Result<Array, JsValue>;
    #[wasm_bindgen(js_namespace = Array, js_name = isArray, catch)]
    fn is_array(value: &JsValue) -> Result<bool, JsValue>;

    #[wasm_bindgen(js_name = BigInt)]
    fn big(number: &JsValue) -> JsValue;
    #[wasm_bindgen(js_namespace = BigInt, js_name = asUintN)]
    fn unsigned(bits: u32, value: &JsValue) -> BigInt;
    #[wasm_bindgen(js_namespace = BigInt, js_name = asIntN)]
    fn signed(bits: u32, value: &JsValue) -> JsValue;
}

/// As a tuple struct of this name a `bigint` of 256 bits without sign is asked for. It comes as bytes, the highest first.
pub const UNSIGNED: &str = "256 bits";
/// The same with sign, in two's complement.
pub const SIGNED: &str = "256 bits with sign";

/// A value that is to be read.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a JsValue);

/// Which numbers are taken for an integer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Number,
    Either,
    BigInt,
}

/// A whole number of at most so many bits, in two's complement, the highest byte first.
fn integer(value: &JsValue, taken: Taken, bits: u32, sign: bool) -> Result<[u8; 32], Error> {
    let number = Number::is_safe_integer(value);
    let whole = if number { &big(value) } else { value };
    let kind = if number { taken != Taken::BigInt } else { taken != Taken::Number && value.is_bigint() };
    if !kind || *whole != if sign { signed(bits, whole) } else { unsigned(bits, whole).into() } {
        let (kind, sign) =
            (if taken == Taken::Number { "number" } else { "bigint" }, if sign { "with" } else { "without" });
        return Err(Error::new(&format_args!("a whole {kind} of {bits} bits {sign} sign is due")));
    }
    let digits = unsigned(256, whole).to_string(16).map_or_else(|_| String::new(), String::from);
    hex::decode_to_array(format!("{digits:0>64}")).map_err(|error| Error::new(&error))
}

/// The lowest bytes of an integer that has no more.
fn least<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    bytes.last_chunk().copied().unwrap_or([0; N])
}

/// The place of the name of one of an enum's variants, and what it holds.
fn variant(value: &JsValue, names: &[&str]) -> Result<(u32, JsValue), Error> {
    let (name, content) = if value.is_object() {
        let keys = keys(value)?;
        let name = if keys.length() == 1 { keys.get(0).as_string() } else { None };
        let name = name.ok_or_else(|| Error::new(&"an object with one key is due"))?;
        let content = property(value, &name)?;
        (name, content)
    } else {
        let name = value.as_string().ok_or_else(|| Error::new(&"a name or an object is due"))?;
        (name, JsValue::UNDEFINED)
    };
    let found = (0..).zip(names).find_map(|(index, known)| (*known == name).then_some(index));
    found.map(|index| (index, content)).ok_or_else(|| Error::new(&"is no known name"))
}

/// What an object or array holds, one after another.
struct Parts<'a> {
    of: &'a JsValue,
    /// The fields' names; an array has none.
    names: Option<&'static [&'static str]>,
    next: u32,
    length: u32,
    ended: bool,
    part: JsValue,
}

impl<'a> Parts<'a> {
    fn fields(of: &'a JsValue, names: &'static [&'static str]) -> Result<Self, Error> {
        if !of.is_object() {
            return Err(Error::new(&"an object is due"));
        }
        Ok(Self { of, names: Some(names), next: 0, length: u32::MAX, ended: false, part: JsValue::UNDEFINED })
    }

    fn items(of: &'a JsValue) -> Result<Self, Error> {
        if !is_array(of)? {
            return Err(Error::new(&"an array is due"));
        }
        let length = integer(&property(of, "length")?, Taken::Number, 32, false)?;
        let length = u32::from_be_bytes(least(&length));
        Ok(Self { of, names: None, next: 0, length, ended: false, part: JsValue::UNDEFINED })
    }

    /// The name of the field that was read last.
    fn name(&self) -> Option<&'static str> {
        let names = self.names?;
        names.get(usize::try_from(self.next).ok()?.checked_sub(1)?).copied()
    }

    /// Goes to the next part, if there is one.
    #[inline(never)]
    fn advance(&mut self) -> Result<(), Error> {
        if self.next == self.length {
            self.ended = true;
            return Ok(());
        }
        let index = self.next;
        self.next = index.saturating_add(1);
        let part = match self.name() {
            Some(name) => property(self.of, name),
            None => Reflect::get_u32(self.of, index),
        };
        self.part = part.map_err(|thrown| self.at(thrown.into()))?;
        Ok(())
    }

    /// A field that is undefined is not there, whatever it should be: it has its default or is missing.
    #[cold]
    #[inline(never)]
    fn absent(&self, error: Error) -> Result<(), Error> {
        if self.names.is_some() && self.part.is_undefined() { Ok(()) } else { Err(self.at(error)) }
    }

    #[cold]
    #[inline(never)]
    fn at(&self, error: Error) -> Error {
        match self.name() {
            Some(name) => error.within(&name),
            None => error.within(&self.next.saturating_sub(1)),
        }
    }
}

impl<'de> de::SeqAccess<'de> for &mut Parts<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.advance()?;
        if self.ended {
            return Ok(None);
        }
        match seed.deserialize(Reader(&self.part)) {
            Ok(part) => Ok(Some(part)),
            Err(error) => self.absent(error).map(|()| None),
        }
    }
}

/// A variant by its number.
struct Chosen<'a>(u32, &'a JsValue);

impl<'de, 'a> de::EnumAccess<'de> for Chosen<'a> {
    type Error = Error;
    type Variant = Reader<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Reader<'a>), Error> {
        let number: U32Deserializer<Error> = self.0.into_deserializer();
        Ok((seed.deserialize(number)?, Reader(self.1)))
    }
}

impl<'de> de::VariantAccess<'de> for Reader<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_null_or_undefined() { Ok(()) } else { Err(Error::new(&"only a name is due")) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_struct(self, "", names, visitor)
    }
}

macro_rules! integers {
    ($($read:ident $visit:ident $type:ident $taken:ident $sign:literal,)*) => {$(
        fn $read<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            #[inline(never)]
            fn read(value: &JsValue) -> Result<$type, Error> {
                integer(value, Taken::$taken, $type::BITS, $sign).map(|bytes| $type::from_be_bytes(least(&bytes)))
            }
            visitor.$visit(read(self.0)?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Error;

    integers! {
        deserialize_i8 visit_i8 i8 Number true,
        deserialize_i16 visit_i16 i16 Number true,
        deserialize_i32 visit_i32 i32 Number true,
        deserialize_i64 visit_i64 i64 Either true,
        deserialize_i128 visit_i128 i128 BigInt true,
        deserialize_u8 visit_u8 u8 Number false,
        deserialize_u16 visit_u16 u16 Number false,
        deserialize_u32 visit_u32 u32 Number false,
        deserialize_u64 visit_u64 u64 Either false,
        deserialize_u128 visit_u128 u128 BigInt false,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.0.as_bool().ok_or_else(|| Error::new(&"a boolean is due"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0.as_string().ok_or_else(|| Error::new(&"a string is due"))?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null_or_undefined() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_bytes(&integer(self.0, Taken::BigInt, 256, name == SIGNED)?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(&mut Parts::items(self.0)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut parts = Parts::fields(self.0, names)?;
        visitor.visit_seq(&mut parts)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (index, content) = variant(self.0, names)?;
        visitor.visit_enum(Chosen(index, &content))
    }

    /// What no type of this package asks for.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::new(&"nothing is read as this"))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple map identifier ignored_any
    }
}
