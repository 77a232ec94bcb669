"""Types that a framework has not: their bits come through, or a line says which one is missing. S64."""

import unittest

from dormouse.client import Attachment
from dormouse.errors import DormouseError
from dormouse.layout import Buffer
from dormouse.memory import Allocation

from peer import memory_file

try:
    import numpy

    import dormouse.numpy
except ImportError:
    numpy = None
try:
    import torch

    import dormouse.torch
except ImportError:
    torch = None

#: Every bit pattern of eight bits: infinities, both zeros, numbers that are none.
BYTES = bytes(range(256))
SMALL = {"f8_e4m3": "float8_e4m3fn", "f8_e5m2": "float8_e5m2", "f8_e8m0": "float8_e8m0fnu"}


def attachment(dtype: str, width: int) -> Attachment:
    buffer = Buffer("w", 0, 0, len(BYTES), "Weights", dtype, (2, len(BYTES) // width // 2))
    return Attachment({"w": buffer}, {0: Allocation(0, memory_file(BYTES), len(BYTES))}, {}, host=True)


@unittest.skipIf(numpy is None, "needs numpy")
class NumpyTest(unittest.TestCase):

    def test_what_numpy_does_not_have_comes_as_its_bits(self) -> None:
        for dtype, bits in (("f8_e4m3", "u1"), ("f8_e5m2", "u1"), ("f8_e8m0", "u1"), ("bf16", "u2")):
            with self.subTest(dtype=dtype):
                array = dormouse.numpy.restore(attachment(dtype, int(bits[1])))["w"]
                self.assertEqual((numpy.dtype(bits), BYTES), (array.dtype, array.tobytes()))
                self.assertEqual((2, 128 // int(bits[1])), array.shape)

    def test_a_type_that_nobody_knows_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(DormouseError, "buffer 'w' is of type f4_e2m1, which NumPy does not have"):
            dormouse.numpy.restore(attachment("f4_e2m1", 1))


@unittest.skipIf(torch is None, "needs torch (Debian: python3-torch)")
class TorchTest(unittest.TestCase):

    def test_fp8_is_itself_where_torch_has_it_and_refused_by_name_where_not(self) -> None:
        for dtype, name in SMALL.items():
            with self.subTest(dtype=dtype):
                attached = attachment(dtype, 1)
                if hasattr(torch, name):
                    tensor = dormouse.torch.restore(attached)["w"]
                    self.assertEqual(getattr(torch, name), tensor.dtype)
                    self.assertEqual(BYTES, bytes(tensor.view(torch.uint8).flatten().tolist()))
                    continue
                with self.assertRaisesRegex(DormouseError, f"buffer 'w' is of type {dtype}, which this PyTorch "
                                                           r"\(.*\) does not have; attachment\['w'\] are its bytes"):
                    dormouse.torch.restore(attached)
                self.assertEqual(BYTES, bytes(torch.frombuffer(attached["w"], dtype=torch.uint8).tolist()))

    def test_bf16_comes_bit_for_bit(self) -> None:
        tensor = dormouse.torch.restore(attachment("bf16", 2))["w"]
        self.assertEqual(torch.bfloat16, tensor.dtype)
        self.assertEqual(BYTES, tensor.view(torch.int16).numpy().tobytes())


if __name__ == "__main__":
    unittest.main()
