"""`cuda.bindings.driver` of a fake GPU, with the calls that both recorded versions of cuda-bindings have."""

import ctypes
import enum
import sys
import types

from fake_gpu import API, CudaError, Recorded, imported_anew

CALLS = API["cuda_bindings"]["calls"]
KERNEL_TYPES = {"int": ctypes.c_int, "float": ctypes.c_float, "pointer": ctypes.c_uint64}


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_DEVICE = 101
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_NOT_FOUND = 500
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


TEXTS = {"OUT_OF_MEMORY": b"out of memory", "INVALID_CONTEXT": b"invalid device context",
         "NOT_FOUND": b"named symbol not found", "INVALID_DEVICE": b"invalid device ordinal"}  # fmt: skip


def install(monkeypatch, gpu):
    """Make `import cuda.bindings` find this fake, over `gpu`."""
    driver = Recorded.of(CALLS, {name: answered(call) for name, call in behaviours(gpu).items()})
    for name, members in API["cuda_bindings"]["enums"].items():
        setattr(driver, name, enum.IntEnum(name, members))
    for name, value in API["cuda_bindings"]["constants"].items():
        setattr(driver, name, value)
    driver.CUresult = CUresult
    bindings = types.ModuleType("cuda.bindings")
    bindings.__version__, bindings.driver = "fake", driver
    package = types.ModuleType("cuda")
    package.bindings = bindings
    for name, module in {"cuda": package, "cuda.bindings": bindings, "cuda.bindings.driver": driver}.items():
        monkeypatch.setitem(sys.modules, name, module)
    imported_anew(monkeypatch, "engines.device.cuda_python")


def answered(call):
    """As cuda-python answers: a tuple of the status, then what there is."""

    def answer(*arguments):
        try:
            given = call(*arguments)
        except CudaError as error:
            return (CUresult[str(error)], None)
        return (CUresult.CUDA_SUCCESS,) if given is None else (CUresult.CUDA_SUCCESS, *given)

    return answer


def behaviours(gpu):
    """The driver's calls by name, each giving a tuple or None."""

    def primary(device):
        return (gpu.new("context"),)

    def set_current(context):
        gpu.current[:] = [context]

    def device(index):
        if index:
            raise CudaError("CUDA_ERROR_INVALID_DEVICE")
        return (index,)

    def begin(stream, mode):
        gpu.capturing[stream] = []

    def end(stream):
        work = gpu.capturing.pop(stream)
        if gpu.fail_capture:
            raise CudaError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
        return (gpu.new(work),)

    def launch_graph(graph, stream):
        for work in gpu.alive[graph]:
            gpu.enqueue(stream, work)

    def event():
        return {"time": None}

    def elapsed(start, end):
        start, end = gpu.alive[start], gpu.alive[end]
        return (float(end["time"] - start["time"]),)

    def wait(stream, event, flags):
        gpu.enqueue(stream, lambda: None)

    def synchronize_event(event):
        for stream in gpu.queues:
            if gpu.alive[event]["time"] is None:
                gpu.synchronize(stream)

    def function(module, name):
        if name.decode() not in gpu.kernels or module not in gpu.alive:
            raise CudaError("CUDA_ERROR_NOT_FOUND")
        return (name.decode(),)

    def launch(name, *rest):
        stream, places, extra = rest[-3:]
        assert extra == 0
        kinds = gpu.kernels[name].kinds
        pointers = (ctypes.c_void_p * len(kinds)).from_address(places)
        values = [KERNEL_TYPES[kind].from_address(at).value for kind, at in zip(kinds, pointers, strict=True)]
        gpu.launch(name, values, stream)

    def destroy_stream(stream):
        gpu.free(stream)
        del gpu.queues[stream]

    attributes = {75: 8, 76: 7, 18: int(gpu.unified)}
    return {
        "cuInit": lambda flags: None,
        "cuDriverGetVersion": lambda: (12060,),
        "cuDeviceGet": device,
        "cuDeviceGetName": lambda length, dev: (b"Fake\0" + b"\0" * (length - 5),),
        "cuDeviceTotalMem": lambda dev: (1 << 30,),
        "cuDeviceGetAttribute": lambda which, dev: (attributes[int(which)],),
        "cuDevicePrimaryCtxRetain": primary,
        "cuDevicePrimaryCtxRelease": lambda dev: None,
        "cuCtxSetCurrent": set_current,
        "cuCtxGetStreamPriorityRange": lambda: (0, -5),
        "cuMemAlloc": lambda nbytes: (gpu.allocate(nbytes, "device"),),
        "cuMemFree": gpu.free,
        "cuMemHostAlloc": lambda nbytes, flags: (gpu.allocate(nbytes, "pinned"),),
        "cuMemFreeHost": gpu.free,
        "cuMemHostGetDevicePointer": lambda host, flags: (host,),
        "cuMemcpyHtoDAsync": lambda to, source, nbytes, stream: gpu.copy(to, source, nbytes, stream, source),
        "cuMemcpyDtoHAsync": lambda to, source, nbytes, stream: gpu.copy(to, source, nbytes, stream, to),
        "cuStreamCreateWithPriority": lambda flags, priority: (gpu.new_stream(priority),),
        "cuStreamDestroy": destroy_stream,
        "cuStreamSynchronize": gpu.synchronize,
        "cuStreamWaitEvent": wait,
        "cuStreamBeginCapture": begin,
        "cuStreamEndCapture": end,
        "cuGraphInstantiate": lambda graph, flags: (gpu.new(gpu.alive[graph]),),
        "cuGraphLaunch": launch_graph,
        "cuGraphDestroy": gpu.free,
        "cuGraphExecDestroy": gpu.free,
        "cuEventCreate": lambda flags: (gpu.new(event()),),
        "cuEventRecord": lambda event, stream: gpu.record(gpu.alive[event], stream),
        "cuEventSynchronize": synchronize_event,
        "cuEventElapsedTime": elapsed,
        "cuEventDestroy": gpu.free,
        "cuModuleLoadData": lambda image: (gpu.new("module"),),
        "cuModuleGetFunction": function,
        "cuModuleUnload": gpu.free,
        "cuLaunchKernel": launch,
        "cuGetErrorName": lambda status: (status.name.encode(),),
        "cuGetErrorString": lambda status: (TEXTS.get(status.name[11:], b"something else"),),
    }
