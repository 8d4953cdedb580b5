"""What makes a DDS participant a node to ROS 2's tools: a name, and the endpoints that are its own.

ROS 2 nodes are not DDS entities: each process says on `ros_discovery_info` which endpoints belong to which node
(rmw_dds_common), and marks its participant with an enclave.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
from cyclonedds.core import Entity
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos

from saccade.wire.codec import codec
from saccade.wire.dds_raw import RawWriter
from saccade.wire.dds_types import RawTopic

ENCLAVE = Qos(Policy.Userdata(b"enclave=/;"))
"""QoS of a participant that ROS 2 counts as one of its own."""
_INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"


class GraphEntry:
    """One node of the ROS 2 graph; it is there as long as its participant."""

    def __init__(
        self, participant: DomainParticipant, namespace: str, name: str, readers: Iterable[Entity],
        writers: Iterable[Entity],
    ) -> None:  # fmt: skip
        topic = RawTopic(participant, "ros_discovery_info", _INFO)
        qos = Qos(
            Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(0),
            Policy.Durability.TransientLocal, Policy.History.KeepLast(1),
            Policy.Userdata(f"typehash={codec().type_hash(_INFO)};".encode()),
        )  # fmt: skip
        self._writer = RawWriter(DataWriter(participant, topic, qos))
        new = codec().new
        node = new(
            "rmw_dds_common/msg/NodeEntitiesInfo", node_namespace=namespace, node_name=name,
            reader_gid_seq=[_gid(reader.guid) for reader in readers],
            writer_gid_seq=[_gid(writer.guid) for writer in writers],
        )  # fmt: skip
        info = new(_INFO, gid=_gid(participant.guid), node_entities_info_seq=[node])
        self._writer.write(codec().encode(info))


def _gid(guid: uuid.UUID) -> Any:
    return codec().new("rmw_dds_common/msg/Gid", data=np.frombuffer(guid.bytes, np.uint8))
