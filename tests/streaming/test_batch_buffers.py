"""A batch's memory is used again when the batch is gone, and not before."""

import torch

from lightning_sciml.streaming.batch_buffers import BatchBuffers


def test_memory_is_used_again_when_its_last_tensor_is_gone():
    buffers = BatchBuffers()
    first = buffers.take((4, 2, 8, 8))
    address, part = first.data_ptr(), first[1:, :1]
    second = buffers.take((4, 2, 8, 8)).fill_(2.0)
    part.fill_(1.0)
    del first
    assert buffers.take((4, 2, 8, 8)).data_ptr() not in (address, second.data_ptr())
    assert torch.all(second == 2.0)
    del part
    assert buffers.take((3, 2, 8, 8)).data_ptr() == address


def test_a_larger_batch_gets_larger_memory():
    buffers = BatchBuffers()
    for num_samples in (2, 5, 3):
        assert buffers.take((num_samples, 2, 8, 8)).shape == (num_samples, 2, 8, 8)


def test_memory_begins_at_a_cache_line_into_which_the_kernel_copies_fastest():
    buffers = BatchBuffers()
    batches = [buffers.take((num_samples, 2, 8, 8)) for num_samples in range(1, 20)]
    assert not any(batch.data_ptr() % 64 for batch in batches)
