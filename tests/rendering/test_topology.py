"""Tables of meshes: neighbours and corners by hand, and when they are built anew."""

from __future__ import annotations

import pytest
import torch

from handsss.rendering.topology import face_neighbours, mesh_tables

# A square of two faces, a third on its lower edge (0, 1), and a vertex of no face.
FACES = [[0, 1, 2], [0, 2, 3], [1, 0, 4]]


def test_tables_by_hand() -> None:
    faces = torch.tensor(FACES)
    tables = mesh_tables(faces, 6)
    assert tables.faces.tolist() == FACES
    assert tables.neighbours.tolist() == [[2, -1, 1], [0, -1, -1], [0, -1, -1]]
    assert tables.neighbours.equal(face_neighbours(faces).int())
    assert tables.offsets.tolist() == [0, 3, 5, 7, 8, 9, 9]
    met = [tables.corners[a:b].tolist() for a, b in zip(tables.offsets[:-1], tables.offsets[1:], strict=True)]
    assert met == [[0, 3, 7], [1, 6], [2, 4], [5], [8], []]
    assert all(part.dtype == torch.int32 for part in tables)


def test_an_edge_of_three_faces_is_a_boundary() -> None:
    faces = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    assert face_neighbours(faces)[:, 0].tolist() == [-1, -1, -1]


def test_tables_are_remembered_until_faces_change() -> None:
    faces = torch.tensor(FACES)
    first = mesh_tables(faces, 6)
    assert mesh_tables(faces, 6) is first
    assert len(mesh_tables(faces, 7).offsets) == 8
    faces[0, 2] = 5
    second = mesh_tables(faces, 6)
    assert second is not first
    assert second.faces[0].tolist() == [0, 1, 5]
    # Another tensor of the same values has tables of its own, whatever its id.
    assert mesh_tables(faces.clone(), 6).faces.equal(second.faces)
    with torch.inference_mode():
        inferred = torch.tensor(FACES)
        assert mesh_tables(inferred, 6).faces.tolist() == FACES
        inferred[0, 2] = 5
        assert mesh_tables(inferred, 6).faces[0].tolist() == [0, 1, 5]


@pytest.mark.parametrize(("vertex", "count"), [(5, 5), (-1, 6)])
def test_faces_that_name_no_vertex(vertex: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"faces should name vertices 0 to {count - 1}, got {vertex}"):
        mesh_tables(torch.tensor([[0, 1, vertex]]), count)
