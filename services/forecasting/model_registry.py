"""Which version of the global model is live, as the registry says."""

from __future__ import annotations

from scale.training.v1 import model_registry_service_pb2
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub
from services.kit import model_registry

MODEL = "forecaster-global"
CALLER = "forecasting_models"


class GrpcModelRegistry(model_registry.GrpcModelRegistry):
    """See there."""

    messages = model_registry_service_pb2
    stub = ModelRegistryServiceStub
    model = MODEL
    caller = CALLER
