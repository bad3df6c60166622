"""Hostile pickles: refused by name, and nothing of them runs."""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix

from handsss.errors import InputError
from handsss.hand import pickle_stubs as inert
from handsss.hand.safe_pickle import array_from, read_pickle


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class WithState:
    """Pickles as a call followed by a BUILD."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], state: Any) -> None:
        self.call = function, arguments, state

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


def refused(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_pickle(path)
    return str(caught.value)


def array_state(state: Any) -> WithState:
    return WithState(np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), state)  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("where", ["top", "value", "array state", "sparse state", "key"])
def test_a_call_of_the_system_is_refused_wherever_it_stands(tmp_path, marker, protocol, where) -> None:
    call = Call(os.system, f"touch '{marker}'")
    sparse = csc_matrix((2, 2))
    sparse.__dict__["extra"] = call
    content: Any = {
        "top": call,
        "value": {"v_template": call},
        "array state": {"v_template": array_state((1, (1,), call, False, b""))},
        "sparse state": {"J_regressor": sparse},
        "key": {call: 1},
    }[where]
    text = refused(tmp_path, pickle.dumps(content, protocol))
    assert f"{os.name}.system" in text and "Nothing of it was run" in text
    assert not marker.exists()


@pytest.mark.parametrize(
    "function",
    [eval, exec, getattr, open, __import__, pickle.loads, np.load, np.frombuffer, copyreg._extension_registry.get],
)
def test_other_functions_are_refused_by_name(tmp_path, function) -> None:
    text = refused(tmp_path, pickle.dumps({"a": Call(function, "1")}, 4))
    assert "refused. This pickle asks for" in text
    assert getattr(function, "__name__", "") in text or "getattr" in text


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("chumpy.ch", "Ch.__init__.__globals__"),
        ("chumpy.ch", "os"),
        ("chumpy.utils", "timer"),
        ("numpy", "ndarray.__class__"),
        ("numpy.core.multiarray", "fromfile"),
        ("handsss.hand.pickle_stubs", "as_array"),
        ("scipy.sparse.csc", "np"),
        ("builtins", "bytearray"),
        ("__builtin__", "eval"),
    ],
)
@pytest.mark.parametrize("form", ["GLOBAL", "STACK_GLOBAL", "INST"])
def test_names_beside_the_list_are_refused(tmp_path, module, name, form) -> None:
    if form == "GLOBAL":
        data = f"c{module}\n{name}\n.".encode()
    elif form == "INST":
        data = f"(i{module}\n{name}\n.".encode()
    else:
        pieces = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name))
        data = b"\x80\x04" + pieces + b"\x93."
    text = refused(tmp_path, data)
    assert name in text and "asks for" in text


def test_arrays_of_python_objects_are_refused(tmp_path, marker) -> None:
    objects = np.empty(1, dtype=object)
    objects[0] = 1
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps({"v_template": objects}, 2))
    with pytest.raises(InputError, match=r"refused\. This pickle asks for an array of Python objects"):
        array_from(read_pickle(path), "v_template", path)
    objects[0] = Call(os.system, f"touch '{marker}'")
    assert "system" in refused(tmp_path, pickle.dumps({"v_template": objects}, 2))
    assert not marker.exists()


@pytest.mark.parametrize("code", ["O8", "|O", "V8", "S5", "U3", "f8,O8", "M8[s]", "f16"])
def test_only_numbers_make_arrays(tmp_path, code) -> None:
    array = inert._Array()
    array.__setstate__((1, (1,), inert._DType(code, False, True), False, b"\0" * 8))
    with pytest.raises(inert.RefusedError, match="an array of"):
        inert.as_array(array)


def test_a_program_cannot_change_what_it_was_given(tmp_path) -> None:
    # BUILD on a class, with the state in the form that would call setattr.
    build_on_class = b"\x80\x02cnumpy\nndarray\nN}U\x04realcchumpy.ch\nCh\ns\x86b."
    before = inert._Array.real
    assert "__setstate__() missing" in refused(tmp_path, build_on_class)
    assert inert._Array.real is before
    build_on_function = b"\x80\x02c_codecs\nencode\nN}U\x04_runcnumpy\nndarray\ns\x86b."
    run = inert.look_up("_codecs", "encode")._run
    assert "a change of a function" in refused(tmp_path, build_on_function)
    assert inert.look_up("_codecs", "encode")._run is run
    with pytest.raises(inert.RefusedError, match="a change of"):
        inert._Chumpy.compute = None  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("module_name", ["copy_reg\n_reconstructor", "copyreg\n_reconstructor"])
def test_reconstructor_makes_stand_ins_only(tmp_path, module_name) -> None:
    data = f"c{module_name}\n(c_codecs\nencode\nc__builtin__\nobject\nNtR.".encode()
    assert "copyreg._reconstructor of something else" in refused(tmp_path, data)


def test_encode_only_makes_latin1_bytes(tmp_path) -> None:
    assert "_codecs.encode to 'rot13'" in refused(tmp_path, b"c_codecs\nencode\n(Vabc\nVrot13\ntR.")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x80\x02K\x01r" + struct.pack("<I", 2**31) + b".", "memory for"),
        (b"\x80\x02K\x01p99999999999\n.", "memory for"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**50) + b"x.", "not a readable pickle"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"Pother\n.", "the instruction PERSID"),
        (b"c__builtin__\nbytes\n(I99999999999\ntR.", "builtins.bytes with arguments"),
        (b"\x80\x02" + b"N0" * 600_000 + b"N.", "instructions"),
    ],
)
def test_memory_bombs_and_outside_references(tmp_path, data, said) -> None:
    assert said in refused(tmp_path, data)


def test_files_that_are_far_too_large(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("handsss.hand.safe_pickle.MAXIMUM_BYTES", 100)
    assert "MANO's files have about 4 MB" in refused(tmp_path, b"x" * 101)


def test_arrays_cannot_claim_more_than_their_bytes(tmp_path) -> None:
    dtype = inert._DType("f8", False, True)
    for shape in ((10**9,), (-1,), (2.5,), "ab", (1, 2)):
        array = inert._Array()
        array.__setstate__((1, shape, dtype, False, b"\0" * 8))
        with pytest.raises(ValueError, match="an array"):
            inert.as_array(array)


def test_sparse_matrices_cannot_reach_outside(tmp_path) -> None:
    for state in (
        {"_shape": (10**6, 10**6)},
        {"_shape": (2, 2), "data": [1.0], "indices": [7], "indptr": [0, 1, 1]},
        {"_shape": (2, 2), "data": [1.0], "indices": [-1], "indptr": [0, 1, 1]},
        {"_shape": (2, 2), "data": [1.0], "indices": [0], "indptr": [0, -5, 1]},
        {"_shape": (2, 2), "data": [1.0, 2.0], "indices": [0], "indptr": [0, 1, 1]},
    ):
        matrix = inert.look_up("scipy.sparse.csc", "csc_matrix")()
        matrix.__setstate__(state)
        with pytest.raises(ValueError, match="a sparse matrix"):
            inert.as_array(matrix)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [csc_matrix, csr_matrix, csr_array, coo_matrix])
def test_sparse_matrices_are_read(tmp_path, protocol, kind) -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(5, 7)) * (rng.random((5, 7)) < 0.4)
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"a": kind(dense)}, protocol))
    np.testing.assert_array_equal(array_from(read_pickle(path), "a", path), dense)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<u4", "i1", "u8", "?"])
def test_arrays_of_all_kinds_are_read(tmp_path, protocol, dtype) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"c": array, "f": np.asfortranarray(array), "s": array[0, 0, 1]}, protocol))
    content = read_pickle(path)
    for key in ("c", "f"):
        read = array_from(content, key, path)
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
    assert array_from(content, "s", path).item() == array[0, 0, 1]


@pytest.mark.parametrize("protocol", [2, 4])
def test_lists_of_numpy_scalars_are_read(tmp_path, protocol) -> None:
    """As HO-3D's handBoundingBox may be stored."""
    path = tmp_path / "0000.pkl"
    box = [np.float64(200.5), np.int64(150), 300, np.float32(250)]
    path.write_bytes(pickle.dumps({"handBoundingBox": box, "nested": [np.zeros(2), np.zeros(2)]}, protocol))
    content = read_pickle(path)
    np.testing.assert_array_equal(array_from(content, "handBoundingBox", path), [200.5, 150, 300, 250])
    with pytest.raises(InputError, match="'nested' is damaged"):
        array_from(content, "nested", path)


def test_chumpy_reorderings_are_computed(tmp_path) -> None:

    def made(name: str, **state: Any) -> Any:
        stand = inert.look_up("chumpy.ch" if name == "Ch" else "chumpy.reordering", name)()
        stand.__setstate__(state)
        return stand

    leaf = made("Ch", x=made("Ch", x=[1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(inert.as_array(made("Reshape", a=leaf, newshape=(2, 2))), [[1, 2], [3, 4]])
    turned = made("transpose", a=made("Reshape", a=leaf, newshape=(2, 2)), axes=None)
    np.testing.assert_array_equal(inert.as_array(turned), [[1, 3], [2, 4]])
    chosen = made("Select", a=leaf, idxs=[3, 0], preferred_shape=(1, 2))
    np.testing.assert_array_equal(inert.as_array(chosen), [[4, 1]])
    endless = made("Ch")
    endless.__setstate__({"x": endless})
    with pytest.raises(ValueError, match="without contents"):
        inert.as_array(endless)


def test_wrong_contents_are_told(tmp_path) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InputError, match="holds a list, expected MANO's dictionary"):
        read_pickle(path)
    path.write_bytes(pickle.dumps({"a": "text"}))
    with pytest.raises(InputError, match=r"'a' is damaged \(a str where an array should be"):
        array_from(read_pickle(path), "a", path)
    with pytest.raises(InputError, match="no 'b' in this file"):
        array_from(read_pickle(path), "b", path)


def test_random_damage_never_escapes(tmp_path) -> None:
    """Flipped bytes give an InputError or a dictionary, never another exception."""
    data = pickle.dumps({"a": np.arange(6.0), "b": csc_matrix(np.eye(3))}, 2)
    rng = np.random.default_rng(1)
    path = tmp_path / "file.pkl"
    seen = set()
    for _ in range(400):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            content = read_pickle(path)
            for key in ("a", "b"):
                array_from(content, key, path)
            seen.add("read")
        except InputError:
            seen.add("refused")
    assert seen == {"read", "refused"}


def doubled(start: bytes, step: bytes, times: int = 60) -> bytes:
    """Two references to two references to ...: 200 bytes that are endless to print, to compare and to hash."""
    return start + step * times


TUPLES, LISTS = doubled(b")", b"2\x86"), doubled(b"]", b"q\x05]h\x05ah\x05a")


@pytest.mark.parametrize("form", [b"}%bNs", b"}(%bNu", b"(%bNd", b"\x8f(%b\x90", b"(%b\x91"])
def test_keys_that_would_take_for_ever_are_refused(tmp_path, form) -> None:
    assert "a key of nested tuples" in refused(tmp_path, b"\x80\x04" + form % TUPLES + b".")


@pytest.mark.parametrize("call", [b"cnumpy\ndtype\n%b\x85R", b"c_codecs\nencode\n\x8c\1a%b\x86R"])
@pytest.mark.parametrize("bomb", [TUPLES, LISTS])
def test_messages_do_not_print_all_of_an_object(tmp_path, call, bomb) -> None:
    array = b"cnumpy.core.multiarray\nscalar\n" + call % bomb + b"B\0\0\0\0\x86R"
    data = b"\x80\x04}\x8c\1a" + (array if b"dtype" in call else call % bomb) + b"s."
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        array_from(read_pickle(path), "a", path)
    assert len(str(caught.value)) < 1000


def test_expressions_in_the_shapes_of_expressions_end(tmp_path) -> None:
    """A shape that asks for itself, and thousands of expressions in each other."""
    select, fields = b"cchumpy.reordering\nSelect\n)\x81", b"\x8c\1a]K\0as\x8c\4idxs]K\0as\x8c\x0fpreferred_shape"
    itself = select + b"q\1}" + fields + b"h\1sb"
    nested = (select + b"}" + fields) * 3000 + b"K\1" + b"sb" * 3000
    for value in (itself, nested):
        path = tmp_path / "a.pkl"
        path.write_bytes(b"\x80\x04}\x8c\1a" + value + b"s.")
        with pytest.raises(InputError, match="damaged|not a readable"):
            array_from(read_pickle(path), "a", path)


@pytest.mark.parametrize("value", [2**200, [1, 2**200]])
def test_numbers_beyond_64_bits_are_no_array(tmp_path, value) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"a": value}))
    with pytest.raises(InputError, match="'a' is damaged"):
        array_from(read_pickle(path), "a", path)
