"""A shop as a row source of its own: customers, their orders by a Zipf, and one to seven items in each order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import sql

from inboxbench.seed.binary.distributions import Stream, inverse_table, zipf_weights
from inboxbench.seed.binary.fields import Joined, Number, digit_part, encode, ids, listed, literal
from inboxbench.seed.profile import BaseProfile, NotNegative, Positive, Share
from inboxbench.seed.row_source import Blocks, Built, Churn, Job, Layout, Measures, Part, Plan, Problem, Task

BLOCK = 1000
TABLES = {
    "customers": ("id", "name"),
    "orders": ("id", "customer_id", "code"),
    "order_items": ("id", "order_id", "amount"),
}


@dataclass(frozen=True, slots=True)
class Orders:
    count: Positive[int]
    customers: Positive[int]
    exponent: NotNegative


@dataclass(frozen=True, slots=True)
class Past:
    updated: Share


@dataclass(frozen=True, slots=True)
class ShopProfile(BaseProfile):
    orders: Orders
    churn: Past


class Builder:
    """Items of a block are counted in a file that the block of their orders leaves."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._orders: Orders = job.profile.orders
        self._ranks = np.load(job.folder / "ranks.npy")

    def needs(self, task: Task) -> Sequence[Part]:
        return [_counts(task.number)] if task.table == "order_items" else []

    def build(self, task: Task) -> Built:
        stream = Stream(self._job.seed, task.table, task.number)
        first = task.number * BLOCK
        last = min(first + BLOCK, self._orders.count)
        path = self._job.folder / _counts(task.number).name
        if task.table == "customers":
            names = [f"customer {number}" for number in range(self._orders.customers)]
            return Built(encode([Number(ids(0, len(names)))], [listed(names)]), len(names))
        if task.table == "orders":
            customer = 1 + self._ranks[stream.bits16(last - first)]
            items = 1 + stream.below(7, last - first)
            path.write_bytes(items.tobytes())
            code = Joined([literal("order-", last - first), digit_part(ids(first, last), 8)])
            data = encode([Number(ids(first, last)), Number(customer)], [code])
            return Built(data, last - first, int(items.sum()), (_counts(task.number),))
        order = np.repeat(ids(first, last), np.fromfile(path, dtype=np.int64, count=last - first))
        numbers, amounts = ids(task.details, task.details + len(order)), stream.below(900, len(order))
        return Built(encode([Number(numbers), Number(order), Number(amounts)]), len(order))


def _counts(block: int) -> Part:
    return Part(f"items.{block}", 0, 0, 8 * BLOCK)


def _item_tasks(done: Blocks) -> list[Task]:
    firsts = np.cumsum([0, *(block.note for block in done["orders"])]).tolist()
    return [Task("order_items", block.number, first) for block, first in zip(done["orders"], firsts, strict=False)]


class Shop:
    generator = 1
    profile_type = ShopProfile
    counted = "orders"
    row_bytes = 400
    layouts: Mapping[str, Layout] = {name: Layout(name, f"{name}.sql", TABLES) for name in ("baseline", "head")}
    measures = Measures(
        skews={"orders of customers": "SELECT customer_id AS owner, count(*) AS n FROM orders GROUP BY 1"},
        lengths={"items_per_order": ("items", "SELECT count(*) AS n FROM order_items GROUP BY order_id")},
        shares={}, shares_at_head={}, facts={}, words=None, columns={"orders": ("id", "customer_id")},
    )  # fmt: skip

    def problems(self, profile: ShopProfile) -> Iterator[Problem]:
        if profile.orders.customers > profile.orders.count:
            yield "orders.customers", "are more than the orders"

    def size(self, profile: ShopProfile) -> int:
        return profile.orders.count

    def resized(self, profile: ShopProfile, size: int) -> ShopProfile:
        return replace(profile, orders=replace(profile.orders, count=size))

    def ingredients(self, seeds: Path) -> tuple[Sequence[str], Sequence[Path]]:  # noqa: ARG002
        return (), ()

    def plan(self, job: Job, seeds: Path) -> Plan:  # noqa: ARG002
        orders: Orders = job.profile.orders
        np.save(job.folder / "ranks.npy", inverse_table(zipf_weights(orders.customers, orders.exponent)))
        first = [Task("customers"), *(Task("orders", number) for number in range(-(-orders.count // BLOCK)))]
        return Plan(orders.customers + orders.count * 5, (lambda _: first, _item_tasks))

    def builder(self, job: Job) -> Builder:
        return Builder(job)

    def churn(self, section: Mapping[str, Any], rows: Mapping[str, int]) -> Churn:
        last = sql.Literal(round(Past(**section).updated * rows["orders"]))
        return Churn(("orders",), (), ((sql.SQL("UPDATE orders SET code = code WHERE id <= {}").format(last),),))


SHOP = Shop()
