"""The model card says what is known, and that the rest is not."""

from __future__ import annotations

from dataclasses import replace

from hemoscope.ct.prepare import NetworkInput
from hemoscope.ct.windows import BRAIN, SUBDURAL
from hemoscope.training.model_card import CardFacts, TrainedOn, model_card

BARE = CardFacts("small", "Wong 2019, Table 2", ("subdural", "any"), ("any",), NetworkInput(224, (BRAIN,)), 21_500_000,
                 calibrated=False)  # fmt: skip


def test_a_bare_card_says_what_is_not_known() -> None:
    card = model_card(BARE)
    assert "Research use only." in card and "21.5 million parameters" in card and "Licence: not known" in card
    assert card.count("Not known.") == 4  # trained on, trained with, held out, metrics
    assert "It is not calibrated" in card
    assert "was not measured" in card
    assert "slices for subdural, any, and scans for any" in card


def test_a_full_card_has_its_tables_and_no_unknowns() -> None:
    given = NetworkInput(512, (BRAIN, SUBDURAL), maximum_slices=2, maximum_pixels=2)
    facts = replace(
        BARE,
        given=given,
        calibrated=True,
        licence="Apache-2.0",
        trained_on=[TrainedOn("CT-ICH", 75, 75, 2500), TrainedOn("loose slices", None, 1200, 1200)],
        held_out=[TrainedOn("CT-ICH", 7, 7, 230)],
        trained_with={"recipe": "small.yaml"},
        metrics={"scan AUC, any": "0.91 (0.70-0.99), 3 of 7 patients"},
        remarks=["The LSTM did not beat its CNN."],
    )
    card = model_card(facts)
    assert "| CT-ICH | 75 | 75 | 2,500 |" in card
    assert "| loose slices | not known | 1,200 |" in card
    assert "| scan AUC, any | 0.91 (0.70-0.99), 3 of 7 patients |" in card
    assert "40/80, 80/200" in card and "stands for 2" in card and "- The LSTM did not beat its CNN." in card
    assert "not calibrated" not in card and "Not known." not in card and "was not measured" not in card


def test_a_split_with_patients_on_both_sides_is_not_called_one_by_patient() -> None:
    card = model_card(replace(BARE, caveat="It splits slices: patients are on both sides."))
    assert "On slices that it was not trained on. It splits slices: patients are on both sides." in card
    assert "nothing in training" not in card
    assert "On patients of whom it had seen nothing in training:" in model_card(BARE)
