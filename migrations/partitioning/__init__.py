"""The partitioned form of accounts.transactions: one table for each month, for ledgers of many millions of rows (docs/partitions.md).

An operator's choice, made once: `SCALE_MIGRATIONS_PARTITIONED=true python -m migrations upgrade`. The history itself is the same for both.
"""

from migrations.partitioning.conversion import ConversionError, is_partitioned, keep_partitions, partition_ledger
from migrations.partitioning.indexes import build_index
from migrations.partitioning.references import refer_to_transactions

__all__ = ["ConversionError", "build_index", "is_partitioned", "keep_partitions", "partition_ledger", "refer_to_transactions"]
