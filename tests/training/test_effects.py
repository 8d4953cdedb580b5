"""Water, weather and cameras do what their models say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from saccade.geometry import F32
from training import weather
from training import world as w
from training.camera import Sensor, expose, sensors_for
from training.water import JERLOV, Water, lit_by_ripples, snow, speck_places, through_water, water_for
from training.world import Eye, Rig, eyes_of

RIG = Rig(96, 64, 80.0, 47.5, 31.5, 0.1, 32)
GREY = np.full((64, 96, 3), 0.5, np.float32)


def wall(z: float) -> F32:
    return np.full((64, 96), z, np.float32)


def still(direct: list[float], back: list[float]) -> Water:
    return Water("test", np.array(direct), np.array(back), np.array([0.05, 0.2, 0.3]), 0.0, 0.0, 0)


@pytest.mark.parametrize("kind", JERLOV)
def test_water_takes_red_before_green_and_blue_and_more_of_it_further_away(kind: str) -> None:
    water = water_for(np.random.default_rng(1), 4.0, kind)
    dark = Water(water.kind, water.direct, water.back, np.zeros(3), 0.0, 0.0, 0)
    near, far = (through_water(GREY, wall(z), RIG, dark, 4.0)[32, 48] for z in (1.0, 6.0))
    assert (far < near).all()
    assert far[0] / near[0] < far[1] / near[1]
    assert far[0] / near[0] <= far[2] / near[2] * (1 + 1e-6)


def test_water_follows_the_revised_model_with_two_coefficients() -> None:
    water = still([0.6, 0.2, 0.1], [0.4, 0.25, 0.15])
    z = 3.0
    got = through_water(GREY, wall(z), RIG, water, 3.0)[31:33, 47:49].mean(axis=(0, 1))
    expected = 0.5 * np.exp(-water.direct * z) + water.veil * (1 - np.exp(-water.back * z))
    assert got == pytest.approx(expected, rel=1e-3)
    assert through_water(GREY, wall(np.inf), RIG, water, 3.0)[32, 48] == pytest.approx(water.veil, rel=1e-4)


def test_forward_scatter_blurs_what_is_far_and_spares_what_is_near() -> None:
    check = np.where((np.indices((64, 96)).sum(0) // 2 % 2)[..., None] == 0, 0.2, 0.8).repeat(3, 2).astype(np.float32)
    murky = Water("test", np.full(3, 1e-6), np.full(3, 1e-6), np.zeros(3), 1.0, 0.0, 0)
    near, far = (float(through_water(check, wall(z), RIG, murky, 4.0).std()) for z in (0.05, 20.0))
    assert near > 0.95 * check.std()
    assert far < 0.6 * check.std()


def test_caustics_lie_on_the_world_not_on_the_picture() -> None:
    """A wall at 4 m: the right camera sees the same light 80 * 0.1 / 4 = 2 px further left."""
    pattern = np.random.default_rng(0).random((256, 256), np.float32) - 0.5
    up = np.array([0.0, -0.8, -0.6])
    left, right = (lit_by_ripples(GREY, wall(4.0), RIG, Eye(x), pattern, 1.0, 20.0, up)[..., 0] for x in (0.0, 0.1))
    assert left.std() > 0.01
    assert np.abs(left[:, 2:] - right[:, :-2]).mean() < 0.05 * left.std()
    assert np.abs(left - right).mean() > 5 * np.abs(left[:, 2:] - right[:, :-2]).mean()


def test_snow_drifts_in_the_world_and_only_before_what_is_behind_it() -> None:
    places = np.array([[0.0, 0.0, 2.0]])
    left, right = (snow(GREY, wall(5.0), RIG, Eye(x), places, 0.03, np.ones(3)) - GREY for x in (0.0, 0.1))
    assert left.max() > 0.1
    column = [float((p.sum((0, 2)) * np.arange(96)).sum() / p.sum()) for p in (left, right)]
    assert column[0] - column[1] == pytest.approx(80 * 0.1 / 2.0, abs=0.1)
    assert np.array_equal(snow(GREY, wall(1.0), RIG, Eye(0.0), places, 0.03, np.ones(3)), GREY)
    assert speck_places(np.random.default_rng(0), 7, RIG).shape == (7, 3)


def test_a_camera_out_of_line_sees_flakes_drops_and_caustics_where_it_sees_the_world() -> None:
    eye = eyes_of(RIG, (0.8, -0.4, 0.3))[1]
    column, row = np.array([20.0, 70.0]), np.array([12.0, 50.0])
    assert eye.shows(RIG, column, eye.row_of(RIG, column, row)) == pytest.approx(row)
    straight = Eye(RIG.baseline_m)
    flake, drop = np.array([[0.3, 0.2, 2.0]]), np.array([[0.3, 0.0, 2.0]])

    def place(light: F32) -> tuple[float, float]:
        """Column and row of the middle of a spot of light."""
        spot = light.sum(2) / light.sum()
        return float((spot.sum(0) * np.arange(96)).sum()), float((spot.sum(1) * np.arange(64)).sum())

    for effect, exact in (
        (lambda eye: snow(GREY, wall(5.0), RIG, eye, flake, 0.03, np.ones(3)) - GREY, 0.1),
        (lambda eye: weather.with_rain(GREY, wall(5.0), RIG, eye, drop, np.array([0.0, 0.4, 0.0]), 0.5) - GREY, 0.3),
    ):
        ideal, seen = place(effect(straight)), place(effect(eye))
        assert seen[0] == pytest.approx(ideal[0], abs=0.02)
        assert float(eye.shows(RIG, np.array(seen[0]), np.array(seen[1]))) == pytest.approx(ideal[1], abs=exact)
        assert abs(seen[1] - ideal[1]) > 0.5
    smooth = cv2.GaussianBlur(np.random.default_rng(0).random((256, 256), np.float32) - 0.5, (0, 0), 3.0)
    up = np.array([0.0, -0.8, -0.6])
    ideal_light, light = (
        lit_by_ripples(GREY, wall(4.0), RIG, e, smooth, 1.0, 20.0, up)[..., 0] for e in (straight, eye)
    )
    x, y = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(64, dtype=np.float32))
    moved = cv2.remap(ideal_light, x, eye.shows(RIG, x, y).astype(np.float32), cv2.INTER_LINEAR)
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(light - moved)[inner].mean() < 0.2 * np.abs(light - ideal_light)[inner].mean()


def test_haze_follows_koschmieder() -> None:
    beta, veil = np.array([0.1, 0.1, 0.2]), np.array([0.9, 0.8, 0.7])
    got = weather.haze(GREY, wall(5.0), RIG, beta, veil)[31:33, 47:49].mean(axis=(0, 1))
    assert got == pytest.approx(0.5 * np.exp(-beta * 5) + veil * (1 - np.exp(-beta * 5)), rel=1e-3)


def test_night_is_dark_and_has_a_lamp() -> None:
    light = np.ones(w.LIGHT_ENTRIES)
    dark = weather.night(np.random.default_rng(2), light, RIG)
    assert (dark[w.SUN_COLOUR : w.LAMP] < 0.06).all()
    assert (dark[w.LAMP_COLOUR : w.LAMP_COLOUR + 3] > 0.3).all()
    assert (light == 1).all()


def test_rain_falls_in_both_pictures_with_its_own_disparity() -> None:
    drops, fall = np.array([[0.0, -0.2, 2.0]]), np.array([0.0, 0.4, 0.0])
    left, right = (
        weather.with_rain(0.5 * GREY, wall(5.0), RIG, Eye(x), drops, fall, 0.5) - 0.5 * GREY for x in (0.0, 0.1)
    )
    column = [float((p.sum((0, 2)) * np.arange(96)).sum() / p.sum()) for p in (left, right)]
    assert column[0] - column[1] == pytest.approx(4.0, abs=0.1)
    behind = weather.with_rain(0.5 * GREY, wall(1.0), RIG, Eye(0.0), drops, fall, 0.5)
    assert np.array_equal(behind, 0.5 * GREY)


def test_motion_blurs_along_the_flow_and_leaves_the_middle_where_it_was() -> None:
    spot = np.zeros((64, 96, 3), np.float32)
    spot[32, 48] = 1.0
    sideways = weather.moved(spot, wall(2.0), RIG, 0.0, np.array([0.15, 0.0, 0.0]), np.zeros(3))[..., 0]
    rows, columns = sideways.sum(1), sideways.sum(0)
    assert (columns > 1e-3).sum() >= 5
    assert (rows > 1e-3).sum() <= 2
    assert float((columns * np.arange(96)).sum() / columns.sum()) == pytest.approx(48, abs=0.05)
    far = weather.moved(spot, wall(50.0), RIG, 0.0, np.array([0.15, 0.0, 0.0]), np.zeros(3))[..., 0]
    assert (far.sum(0) > 1e-2).sum() <= 3


def seen(sensor: Sensor, seed: int = 0, light: F32 = GREY) -> F32:
    return expose(light, 1.0, sensor, np.random.default_rng(seed)).astype(np.float32)


def test_a_sensor_does_what_each_of_its_numbers_says() -> None:
    plain = seen(Sensor())
    assert plain[0, 0, 0] == pytest.approx(255 * 0.5 ** (1 / 2.2), abs=1.0)
    assert seen(Sensor(gain=(1.2, 1.0, 0.8)))[0, 0] == pytest.approx(
        255 * (0.5 * np.array([1.2, 1, 0.8])) ** (1 / 2.2), abs=1
    )
    assert seen(Sensor(gamma=1.0))[0, 0, 0] == pytest.approx(127.5, abs=1.0)
    shaded = seen(Sensor(vignetting=0.5))
    assert shaded[0, 0, 0] < 0.8 * shaded[32, 48, 0]
    noisy = seen(Sensor(read=0.02))
    assert noisy.std() > 2.0
    assert noisy.mean() == pytest.approx(plain.mean(), abs=0.5)
    dim, bright = (seen(Sensor(gamma=1.0, shot=1e-3), light=np.float32(k) * GREY).std() for k in (0.25, 1.0))
    assert bright == pytest.approx(2 * dim, rel=0.1)  # shot noise grows with the root of the light
    edge = GREY.copy()
    edge[:, :48] = 0.0
    assert np.abs(np.diff(seen(Sensor(blur_px=1.5), light=edge)[32, :, 0])).max() < 100
    rainbow = GREY * np.array([0.2, 1.0, 1.6], np.float32)
    grey = seen(Sensor(colour=False), light=rainbow)
    assert (np.ptp(grey, axis=2) == 0).all()


def test_two_cameras_are_alike_but_rarely_the_same() -> None:
    pairs = [sensors_for(np.random.default_rng(seed), dark=False) for seed in range(60)]
    assert all(left.colour == right.colour for left, right in pairs)
    apart = np.array([abs(np.log(right.gain[1] / left.gain[1])) for left, right in pairs])
    assert 0.3 < np.mean(apart > 1e-6) < 0.9
    assert apart.max() < 1.0
