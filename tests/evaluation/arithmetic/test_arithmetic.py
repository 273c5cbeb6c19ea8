"""What the papers print and what does not add up in it."""

from __future__ import annotations

import pytest

from hemoscope.evaluation.arithmetic import Statement, statements

# (paper, part of the statement, printed, part of the computed): found by hand in the texts
KNOWN = [
    ("burduja2020", "slices: the three sets", "870,301", "874,035"),
    ("burduja2020", "slices of the 100 scans", "24,290", "3,500"),
    ("burduja2020", "Doctor #2, any", "accuracy 0.95, sensitivity 0.94, specificity 0.94, auc_of_calls 0.95", "none"),
    ("burduja2020", "Doctor #3, intraparenchymal",
     "accuracy 0.91, sensitivity 0.90, specificity 0.92, auc_of_calls 0.90", "auc_of_calls 0.906"),
    ("burduja2020", "Doctor #3, intraventricular",
     "accuracy 0.97, sensitivity 0.94, specificity 0.98, auc_of_calls 0.95", "auc_of_calls 0.9568"),
    ("burduja2020", "Doctor #3, subarachnoid", "accuracy 0.83, sensitivity 0.40, specificity 0.97, auc_of_calls 0.68",
     "auc_of_calls 0.6867"),
    ("burduja2020", "wrong labels of ResNeXt-101", "40", "42"),
    ("efficientclass2021", "scans that Aidoc read", "3065", "3,605"),
    ("efficientclass2021", "highest TPR", "0.965", "0.9490"),
    ("efficientclass2021", "highest PPV", "0.960", "0.9510"),
    ("patel2019", "training and validation", "1554", "1,544"),
    ("patel2019", "test set of Ye et al.", "493", "299"),
    ("patel2019", "interval of the full model", "[0.95 - 0.97]", "0.93-0.97"),
    ("wong2019", "best Kaggle score", "0.64680", "0.2311"),
    ("ye2019", "Model (Sli-Lab), intraparenchymal", "accuracy 0.90, sensitivity 0.92, specificity 0.83, f1 0.93",
     "specificity 0.8367"),
    ("ye2019", "JRT 1, epidural", "accuracy 0.97, sensitivity 0.54, specificity 1.00, f1 0.73, auc_of_calls 0.77",
     "f1 0.7 "),
    ("ye2019", "JRT 1, subdural", "accuracy 0.88, sensitivity 0.53, specificity 0.96, f1 0.62, auc_of_calls 0.75",
     "auc_of_calls 0.7449"),
    ("ye2019", "positives that JRT 2 missed", "10", "at most 6"),
    ("ye2019", "SAH that JRT 2 found", "23", "49.9"),
    ("ye2019", "SAH that JRT 3 found", "50", "23.2"),
    ("ye2019", "Sub-Lab against Sli-Lab", "consistently lower", "EDH: 0.69 and 0.69"),
]  # fmt: skip


@pytest.fixture(scope="module")
def checked() -> list[Statement]:
    return statements()


@pytest.mark.parametrize(("paper", "says", "printed", "computed"), KNOWN, ids=lambda part: part)
def test_what_does_not_add_up_is_found(
    checked: list[Statement], paper: str, says: str, printed: str, computed: str
) -> None:
    found = [one for one in checked if one.paper == paper and says in one.says and not one.fits]
    assert [one.printed for one in found] == [printed]
    assert computed in found[0].computed


def test_all_else_adds_up(checked: list[Statement]) -> None:
    assert sum(not one.fits for one in checked) == len(KNOWN)
    assert {one.paper for one in checked} == {"burduja2020", "efficientclass2021", "wong2019", "ye2019", "patel2019"}
    assert sum(one.fits for one in checked) > 200


@pytest.mark.parametrize(
    ("paper", "says", "computed"),
    [
        ("burduja2020", "ResNeXt-101, epidural, scans", "tp 4, fp 3, tn 731, fn 6"),
        ("efficientclass2021", "EffClass (5%), any, scans, from one count", "tp 352, fp 24, tn 552, fn 19"),
        ("efficientclass2021", "EffClass (5%), sensitivity: Clopper-Pearson", "92.12-96.89"),
        ("wong2019", "labels of the five subtypes", "148,309"),
        ("wong2019", "epidural: negatives by positives", "238.365"),
        ("ye2019", "any, accuracy: mean", "0.960 ± 0.017"),
        ("ye2019", "JRT 2, subarachnoid", "tp 50, fp 0, tn 108, fn 36"),
        ("patel2019", "two LSTM layers, end to end, any", "tp 173, fp 47, tn 162, fn 4"),
    ],
)
def test_what_adds_up_is_shown(checked: list[Statement], paper: str, says: str, computed: str) -> None:
    found = [one for one in checked if one.paper == paper and one.says.replace(": from", ", from").startswith(says)]
    assert any(one.computed == computed and one.fits for one in found), [one.computed for one in found]
