"""Courses of virtual participants for the tests of the simulator."""

import numpy as np

from stromal.simulate.assumptions import SitePlan
from stromal.simulate.course_kernels import Hazards, live, room_for_course
from stromal.simulate.population import draw_cohort, site_of, spells_of

__all__ = ["CERTAIN", "SAFE", "alive", "go_on", "lived"]

SAFE = Hazards(0.0, 0.0, 0.3, 7, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0)
"""Nothing befalls anybody."""
CERTAIN = site_of(SitePlan())._replace(anc_noise=0.0, platelet_noise=0.0, hb_noise=0.0)
"""A site that misses nothing, whose laboratory is exact."""


def go_on(cohort, first, until, *, site=CERTAIN, hazards=SAFE, spells=(), planned=1, doses=0.0):
    """Let a cohort live on; give the course. `planned` and `doses` hold for every day, or a table.

    Numbers of days may be one for all, or one each.
    """
    people = len(cohort.keys)
    first = np.broadcast_to(np.asarray(first, dtype=np.int32), people).copy()
    until = np.broadcast_to(np.asarray(until, dtype=np.int32), people).copy()
    width = int((until - first).max(initial=0))
    course = room_for_course(people, width)
    live(cohort, np.broadcast_to(np.asarray(planned, dtype=np.int8), (people, width)).copy(),
         np.broadcast_to(np.asarray(doses, dtype=np.float64), (people, width)).copy(), first, until,
         site, hazards, spells_of(spells), 2, course)  # fmt: skip
    return course


def lived(people, days=60, *, every=1, first=0, seed=1, values=None, immune=None, **more):
    """Let new participants live from day `first`; give the course and what became of them."""
    cohort = draw_cohort(seed, 0, people, values, immune)
    if "planned" not in more:
        more["planned"] = (np.arange(days) % every == 0).astype(np.int8)
    return go_on(cohort, first, first + days, **more), cohort


def alive(cohort):
    """Copy a cohort, so that one may go on while the other stays."""
    return cohort._replace(states=cohort.states.copy(), memory=cohort.memory.copy())
