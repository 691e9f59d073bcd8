"""A made-up council of any size: people, staff, contacts and visits, calibrated on published figures.

`simulate(PRESETS["lancashire-2017"], seed=1)` gives a `Simulation`: iterate it for events in the order they are typed up; ask it
for its `staff`, its `cast` and the `boundary` between history and afterwards. Nobody in it exists.
"""
from keepintouch.simulator.cast import CastMember
from keepintouch.simulator.figures import FIGURES, Figure, Figures
from keepintouch.simulator.person import MOST_PEOPLE
from keepintouch.simulator.scenario import LANCASHIRE_2017, LARGE, PRESETS, TYPICAL, Scenario
from keepintouch.simulator.simulation import MOST_AFTERWARDS, Arrival, Simulation, demo_key, simulate

__all__ = ["FIGURES", "LANCASHIRE_2017", "LARGE", "MOST_AFTERWARDS", "MOST_PEOPLE", "PRESETS", "TYPICAL", "Arrival", "CastMember",
           "Figure", "Figures", "Scenario", "Simulation", "demo_key", "simulate"]
