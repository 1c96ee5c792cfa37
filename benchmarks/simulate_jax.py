"""The rival of `simulate.py` in jax: a scan over days of all participants at once.

The same work a day: marrow, a draw with noise, platelets and red cells by what was seen, death,
relapse and infection; without growth factors, spells and immune attack. Random numbers are jax's.
"""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stromal.simulate.course_kernels import RISE
from stromal.simulate.marrow_kernels import (
    ANC,
    HB,
    HB_TRANSFUSED,
    PLATELETS,
    PLATELETS_TRANSFUSED,
    Marrow,
)
from stromal.simulate.population import draw_cohort, hazards_of, parameters

__all__ = ["days_a_second"]

jax.config.update("jax_enable_x64", True)
STEPS = 2


def slope(m: Marrow, x: jax.Array) -> jax.Array:
    """Give the change of every state, a day."""
    s, niche, msc, t1, t2, t3, anc, k1, k2, k3, own, given, e1, e2, hb, bag = x
    total, red = own + given, hb + bag
    made = s * (1 + m.anc_drive) / (1 + m.anc_drive * anc / m.anc_healthy)
    plt = s * (1 + m.platelet_drive) / (1 + m.platelet_drive * total / m.platelets_healthy)
    cells = s * (1 + m.hb_drive) / (1 + m.hb_drive * red / m.hb_healthy)
    gone = 1 / m.platelet_life + m.platelet_loss / (total + 5)
    normal = 1 / m.platelet_life + m.platelet_loss / (m.platelets_healthy + 5)
    ka, kp, kh = m.anc_transit, m.platelet_transit, m.hb_transit
    return jnp.stack([
        (m.expansion * (1 - s / niche) - m.loss) * s,
        m.repair * (m.repaired - niche) + m.msc_effect * msc * (1 - niche),
        -m.msc_decay * msc,
        ka * (made - t1), ka * (t1 - t2), ka * (t2 - t3),
        m.anc_turnover * (m.anc_healthy * t3 - anc),
        kp * (plt - k1), kp * (k1 - k2), kp * (k2 - k3),
        normal * m.platelets_healthy * k3 - gone * own, -gone * given,
        kh * (cells - e1), kh * (e1 - e2),
        (m.hb_healthy * e2 - hb) / m.red_cell_life, -bag / m.transfused_life,
    ])  # fmt: skip


def advance(m: Marrow, x: jax.Array) -> jax.Array:
    """Carry states on by a day: fourth-order Runge-Kutta."""
    h = 1 / STEPS
    for _ in range(STEPS):
        one = slope(m, x)
        two = slope(m, x + h / 2 * one)
        three = slope(m, x + h / 2 * two)
        x = x + h / 6 * (one + 2 * two + 2 * three + slope(m, x + h * three))
    return x


def run(key: jax.Array, m: Marrow, x: jax.Array, rise: jax.Array, days: int) -> tuple[object, ...]:
    """Let participants live; give what was seen, day by day."""
    p = {name: one.value for name, one in parameters().items()}
    h, people = hazards_of(), x.shape[1]
    noise = jnp.sqrt(
        jnp.log1p(jnp.array([p["anc_noise"], p["platelet_noise"], p["hb_noise"]]) ** 2)
    )

    def day(carry: tuple[jax.Array, ...], now: jax.Array) -> tuple[object, object]:
        x, ill, well = carry
        own = jax.random.fold_in(key, now)
        u = jax.random.uniform(own, (4, people))
        z = jax.random.normal(jax.random.fold_in(own, 1), (3, people))
        anc, platelets, hb = (
            x[ANC],
            x[PLATELETS] + x[PLATELETS_TRANSFUSED],
            x[HB] + x[HB_TRANSFUSED],
        )
        seen = jnp.stack([anc, platelets, hb]) * jnp.exp(noise[:, None] * (z - noise[:, None] / 2))
        drawn = well & (u[3] >= 0.1)
        sick = now <= ill
        given = drawn & (seen[1] <= jnp.where(sick, p["platelet_trigger_infected"],
                                              p["platelet_trigger"]))  # fmt: skip
        red = drawn & (seen[2] < p["hb_trigger"])
        bleeding = p["bleeding"] / (1 + (platelets / p["bleeding_platelets"]) ** 2)
        left = (1 - jnp.where(drawn, p["blood_drawn"], 0)) * (1 - bleeding)
        x = x.at[PLATELETS_TRANSFUSED].add(jnp.where(given, p["platelet_rise"] * rise, 0))
        x = x.at[HB_TRANSFUSED].add(jnp.where(red, p["red_cell_units"] * p["hb_rise"], 0))
        x = x.at[HB].multiply(left).at[HB_TRANSFUSED].multiply(left)
        danger = h.death + jnp.where(
            sick, h.death_infected + h.death_neutropenic / (1 + (anc / h.death_anc) ** 2), 0
        )
        well = well & (u[0] >= danger) & (u[1] >= h.relapse)
        chance = h.infection + h.infection_neutropenic / (1 + (anc / h.infection_anc) ** 2)
        ill = jnp.where(~sick & (u[2] < chance), now + h.infection_days, ill)
        return (advance(m, x), ill, well), (jnp.where(drawn, seen, jnp.nan), given, red)

    begin = (x, jnp.full(people, -1.0), jnp.ones(people, dtype=bool))
    _, found = lax.scan(day, begin, jnp.arange(days))
    return found


def days_a_second(participants: int, days: int) -> float:
    """Time the scan; give days of participants a second of the processor."""
    cohort = draw_cohort(1, 0, range(participants))
    marrow = Marrow(*(jnp.asarray(np.ascontiguousarray(row)) for row in cohort.marrows.T))
    states, rise = jnp.asarray(cohort.states.T), jnp.asarray(cohort.memory[:, RISE])
    scan = jax.jit(run, static_argnums=4)
    jax.block_until_ready(scan(jax.random.key(0), marrow, states, rise, days))
    best = float("inf")
    for seed in range(3):
        begin = time.process_time()
        jax.block_until_ready(scan(jax.random.key(seed), marrow, states, rise, days))
        best = min(best, time.process_time() - begin)
    return participants * days / best
