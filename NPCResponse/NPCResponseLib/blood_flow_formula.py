"""Flow per relative difference signal, for one post-labeling delay."""

import math

import numpy as np

ML_PER_G_PER_S_TO_ML_PER_100G_PER_MIN = 6000.0


def continuous_flow_per_signal(
    post_labeling_delay_ms,
    label_duration_ms: float,
    t1_blood_ms: float,
    labeling_efficiency: float,
    partition_coefficient_ml_per_g: float,
):
    """mL/100g/min per (control - label)/M0 of continuous or pseudo-continuous labeling: Eq. 2 of Liu et al. 2022
    (Insights Imaging 13:114), which is that of Alsop et al. 2015 (Magn Reson Med 73:102-116)."""
    decay = np.exp(np.asarray(post_labeling_delay_ms, dtype=np.float64) / t1_blood_ms)
    arrived = -math.expm1(-label_duration_ms / t1_blood_ms)
    numerator = ML_PER_G_PER_S_TO_ML_PER_100G_PER_MIN * partition_coefficient_ml_per_g * decay
    return numerator / (2 * labeling_efficiency * t1_blood_ms / 1000 * arrived)


def pulsed_flow_per_signal(
    inversion_time_ms,
    bolus_duration_ms: float,
    t1_blood_ms: float,
    labeling_efficiency: float,
    partition_coefficient_ml_per_g: float,
):
    """The same for pulsed labeling whose bolus is cut off after TI1 (Alsop et al. 2015, QUIPSS II)."""
    decay = np.exp(np.asarray(inversion_time_ms, dtype=np.float64) / t1_blood_ms)
    numerator = ML_PER_G_PER_S_TO_ML_PER_100G_PER_MIN * partition_coefficient_ml_per_g * decay
    return numerator / (2 * labeling_efficiency * bolus_duration_ms / 1000)
