//! The extension module `wa_spark._native`, with the function
//! `call(number, method, argument, array, schema)`.
//!
//! The Python classes around it are in `python/wa_spark`. The module uses `pyo3-ffi`, the raw
//! declarations of Python's stable ABI, because a dependency on `pyo3` would cause Polars to be
//! compiled a second time.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use pyo3_ffi::{
    METH_VARARGS, Py_ssize_t, PyBytes_AsStringAndSize, PyBytes_FromStringAndSize, PyCFunction,
    PyErr_SetString, PyEval_RestoreThread, PyEval_SaveThread, PyExc_RuntimeError, PyExc_ValueError,
    PyLong_AsUnsignedLongLong, PyMethodDef, PyMethodDefPointer, PyModuleDef, PyModuleDef_HEAD_INIT,
    PyModuleDef_Init, PyModuleDef_Slot, PyObject, PyTuple_GetItem, PyTuple_Size,
};
use wa::{Error, ErrorKind};

use crate::arrow::Batch;
use crate::objects;

/// Number of arguments of `call`.
const ARGUMENTS: Py_ssize_t = 5;

static mut METHODS: [PyMethodDef; 2] = [
    PyMethodDef {
        ml_name: c"call".as_ptr(),
        ml_meth: PyMethodDefPointer { PyCFunction: call as PyCFunction },
        ml_flags: METH_VARARGS,
        ml_doc: c"Call a method of an object. Arguments are numbers and bytes.".as_ptr(),
    },
    PyMethodDef::zeroed(),
];

static mut SLOTS: [PyModuleDef_Slot; 1] = [PyModuleDef_Slot { slot: 0, value: ptr::null_mut() }];

static mut MODULE: PyModuleDef = PyModuleDef {
    m_base: PyModuleDef_HEAD_INIT,
    m_name: c"_native".as_ptr(),
    m_doc: c"wa's functions on Arrow record batches.".as_ptr(),
    m_size: 0,
    m_methods: (&raw mut METHODS).cast(),
    m_slots: (&raw mut SLOTS).cast(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

/// Initializes the module. Python calls this once.
///
/// # Safety
/// Only Python may call it, with the GIL held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__native() -> *mut PyObject {
    // SAFETY: the definition is static, and only Python accesses it.
    unsafe { PyModuleDef_Init(&raw mut MODULE) }
}

/// Calls a method. Python passes a tuple, and holds the GIL.
unsafe extern "C" fn call(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: `arguments` is a tuple, and the GIL is held.
    let Some(Arguments { number, method, argument, array, schema }) = (unsafe { arguments_of(arguments) })
    else {
        return ptr::null_mut();
    };
    // SAFETY: the GIL is held, and is reacquired before the next call into Python.
    let thread = unsafe { PyEval_SaveThread() };
    let result = std::panic::catch_unwind(|| {
        let method = String::from_utf8_lossy(&method);
        // SAFETY: the classes in `wa_spark` pass 0, or the addresses of structs that they own and
        // do not access during the call.
        let batch = unsafe { Batch::at(array, schema) };
        objects::call(number, &method, &argument, batch)
    });
    // SAFETY: this thread released the GIL above.
    unsafe { PyEval_RestoreThread(thread) };
    match result {
        // SAFETY: the GIL is held; Python copies the bytes.
        Ok(Ok(bytes)) => unsafe {
            PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as Py_ssize_t)
        },
        Ok(Err(error)) => raise(error.kind() == ErrorKind::Usage, &describe(&error)),
        Err(_) => raise(false, "internal error: wa panicked; see standard error"),
    }
}

/// The arguments of `call`.
struct Arguments {
    number: u64,
    method: Vec<u8>,
    argument: Vec<u8>,
    array: u64,
    schema: u64,
}

/// Reads the arguments. Returns `None` after raising an exception.
///
/// # Safety
/// `tuple` is a tuple, and the GIL is held.
unsafe fn arguments_of(tuple: *mut PyObject) -> Option<Arguments> {
    // SAFETY: guaranteed by the caller. Items are borrowed, and used while the tuple exists.
    unsafe {
        if PyTuple_Size(tuple) != ARGUMENTS {
            raise(true, "call takes 5 arguments");
            return None;
        }
        let number = |at| {
            let value = PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, at));
            pyo3_ffi::PyErr_Occurred().is_null().then_some(value)
        };
        let bytes = |at| {
            let (mut start, mut length): (*mut c_char, Py_ssize_t) = (ptr::null_mut(), 0);
            let status = PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, at), &mut start, &mut length);
            let length = usize::try_from(length).ok().filter(|_| status == 0)?;
            Some(std::slice::from_raw_parts(start.cast::<u8>(), length).to_vec())
        };
        Some(Arguments {
            number: number(0)?,
            method: bytes(1)?,
            argument: bytes(2)?,
            array: number(3)?,
            schema: number(4)?,
        })
    }
}

/// Raises an exception, and returns null.
fn raise(is_usage: bool, message: &str) -> *mut PyObject {
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let message: &CStr = &message;
    // SAFETY: all callers hold the GIL.
    unsafe {
        let kind = if is_usage { PyExc_ValueError } else { PyExc_RuntimeError };
        PyErr_SetString(kind, message.as_ptr());
    }
    ptr::null_mut()
}

/// Returns the text of an error, with its causes and its hint.
fn describe(error: &Error) -> String {
    let mut message = error.to_string();
    if let Some(hint) = error.hint_text() {
        message.push_str(&format!("\nhint: {hint}"));
    }
    message
}
