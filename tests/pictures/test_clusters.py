"""Groups of pictures that show the same."""

from lora_nb.pictures.clusters import connected


def test_groups_are_connected_through_others():
    assert connected(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2]]
    assert connected(3, []) == []
