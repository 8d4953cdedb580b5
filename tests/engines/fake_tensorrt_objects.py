"""What both halves of the fake TensorRT share. Names without a leading _ are seen only where they are recorded."""

from onnx import TensorProto

MAGIC = b"FAKE"
TYPES = {TensorProto.FLOAT: "FLOAT", TensorProto.FLOAT16: "HALF", TensorProto.INT8: "INT8", TensorProto.INT32: "INT32",
         TensorProto.INT64: "INT64", TensorProto.UINT8: "UINT8", TensorProto.BOOL: "BOOL"}  # fmt: skip


def made(trt, name, **state):
    """An object of a class that TensorRT makes itself."""
    thing = object.__new__(getattr(trt, name))
    for key, value in state.items():
        object.__setattr__(thing, key, value)
    return thing


def type_of(trt, element):
    """As a TensorRT type; 8.6 has no INT64 and takes INT32."""
    name = TYPES[element]
    return trt.DataType[name if name in trt.DataType.__members__ else "INT32"]


def complain(trt, message):
    trt._world.logger.log(trt.ILogger.Severity.ERROR, message)


def tensor(trt, value):
    kind = value.type.tensor_type
    shape = tuple(-1 if dim.dim_param else dim.dim_value for dim in kind.shape.dim)
    symbols = [dim.dim_param for dim in kind.shape.dim]
    return made(trt, "ITensor", _name=value.name, _shape=shape, _symbols=symbols, _dtype=type_of(trt, kind.elem_type))
