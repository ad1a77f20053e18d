//! Converts rows to and from Arrow record batches through the Arrow C data interface.

use polars_arrow::array::{Array, BinaryArray, PrimitiveArray, StructArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::ffi::{
    ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c, import_array_from_c, import_field_from_c,
};
use polars_arrow::offset::OffsetsBuffer;
use wa::distributed::{Binary, Rows};
use wa::{Error, Result};

/// The columns of a batch, in order.
const COLUMNS: [(&str, ArrowDataType); 7] = [
    ("kind", ArrowDataType::Int32),
    ("key", ArrowDataType::Binary),
    ("time", ArrowDataType::Int64),
    ("file", ArrowDataType::Int32),
    ("position", ArrowDataType::Int64),
    ("id", ArrowDataType::Binary),
    ("payload", ArrowDataType::Binary),
];

/// The structs of the C data interface through which the caller passes or receives one batch.
pub struct Batch {
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
}

impl Batch {
    /// Returns the structs at two addresses; 0 if the caller passes none.
    ///
    /// # Safety
    /// Each address is 0 or points to a struct of the C data interface, released or not. Nothing
    /// else accesses the struct while the result exists.
    pub unsafe fn at(array: u64, schema: u64) -> Batch {
        Batch { array: array as usize as *mut ArrowArray, schema: schema as usize as *mut ArrowSchema }
    }

    /// Takes the rows that the caller passes.
    pub fn take(self) -> Result<Rows> {
        self.check()?;
        // SAFETY: by `at`, the addresses are those of structs that nothing else accesses. They are
        // moved out, and released structs take their place, as the interface requires.
        let (array, schema) =
            unsafe { (self.array.replace(ArrowArray::empty()), self.schema.replace(ArrowSchema::empty())) };
        // SAFETY: the caller filled the structs by the rules of the interface.
        let array = unsafe {
            let field = import_field_from_c(&schema).map_err(invalid)?;
            import_array_from_c(array, field.dtype).map_err(invalid)?
        };
        to_rows(array.as_ref())
    }

    /// Passes rows to the caller.
    pub fn fill(self, rows: Rows) -> Result<()> {
        self.check()?;
        let array = to_array(rows)?;
        let field = Field::new("".into(), array.dtype().clone(), false);
        // SAFETY: by `at`, the addresses are those of structs that nothing else accesses. The
        // caller passes released structs, so nothing is lost.
        unsafe {
            self.array.write(export_array_to_c(array));
            self.schema.write(export_field_to_c(&field));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.array.is_null() || self.schema.is_null() {
            return Err(Error::failed("the method needs a batch"));
        }
        Ok(())
    }
}

fn invalid(error: impl std::error::Error) -> Error {
    Error::failed(format!("a batch is invalid: {error}"))
}

fn to_array(rows: Rows) -> Result<Box<dyn Array>> {
    let length = rows.len();
    let binary = |column: Binary| -> Result<Box<dyn Array>> {
        let offsets = OffsetsBuffer::try_from(column.offsets).map_err(invalid)?;
        let array = BinaryArray::<i32>::try_new(ArrowDataType::Binary, offsets, column.bytes.into(), None);
        Ok(array.map_err(invalid)?.boxed())
    };
    let columns = vec![
        PrimitiveArray::<i32>::from_vec(rows.kinds).boxed(),
        binary(rows.keys)?,
        PrimitiveArray::<i64>::from_vec(rows.times).boxed(),
        PrimitiveArray::<i32>::from_vec(rows.files).boxed(),
        PrimitiveArray::<i64>::from_vec(rows.positions).boxed(),
        binary(rows.ids)?,
        binary(rows.payloads)?,
    ];
    let fields = COLUMNS.map(|(name, dtype)| Field::new(name.into(), dtype, true));
    let array = StructArray::try_new(ArrowDataType::Struct(fields.to_vec()), length, columns, None);
    Ok(array.map_err(invalid)?.boxed())
}

fn to_rows(array: &dyn Array) -> Result<Rows> {
    let columns = array.as_any().downcast_ref::<StructArray>().map_or(&[][..], StructArray::values);
    let column = |at: usize| {
        let name = COLUMNS.get(at).map_or("", |(name, _)| name);
        columns
            .get(at)
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::failed(format!("the column {name} is missing")))
    };
    Ok(Rows {
        kinds: numbers(column(0)?)?,
        keys: binary(column(1)?)?,
        times: numbers(column(2)?)?,
        files: numbers(column(3)?)?,
        positions: numbers(column(4)?)?,
        ids: binary(column(5)?)?,
        payloads: binary(column(6)?)?,
    })
}

fn numbers<T: polars_arrow::types::NativeType>(array: &dyn Array) -> Result<Vec<T>> {
    let found = array.as_any().downcast_ref::<PrimitiveArray<T>>();
    Ok(found.ok_or_else(|| wrong_type(array))?.values().as_slice().to_vec())
}

fn binary(array: &dyn Array) -> Result<Binary> {
    let found = array.as_any().downcast_ref::<BinaryArray<i32>>().ok_or_else(|| wrong_type(array))?;
    // The strings of a sliced array are only a part of the buffer.
    let (start, end) = (*found.offsets().first(), *found.offsets().last());
    let offsets = found.offsets().iter().map(|offset| offset - start).collect();
    let bytes = found.values().get(start as usize..end as usize).unwrap_or(&[]).to_vec();
    Ok(Binary { offsets, bytes })
}

fn wrong_type(array: &dyn Array) -> Error {
    Error::failed(format!("a column has the type {:?}", array.dtype()))
}
