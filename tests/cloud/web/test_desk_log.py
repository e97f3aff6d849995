"""What programs write into a bid's log is told in the reader's language; people are quoted."""

import pytest

from cloud.market.bids import Judgement
from cloud.web.desk_log import why_words
from cloud.web.language import words
from contract.words import Words

CHINESE = words("zh-Hans")


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("keeps the market's rules and the desk's limits", "符合规则与限额"),
        ("replaced by version 3", "由版本 3 替换"),
        ("stands as S000001", "已受理，编号 S000001"),
        (
            "the exchange gives no answer (no answer within 5 s); it is asked again",
            "交易所没有答复（no answer within 5 s），将再次询问",
        ),
        ("94 of 96 intervals have an award", "96 个时段中 94 个出清"),
        (
            "1 minute before the gate nothing is approved; people are called",
            "距截止 1 min 仍未签署，已通知人员",
        ),
        (
            "15 seconds before the gate nothing else is approved",
            "距截止 15 s 仍无其他签署",
        ),
        (
            "the gate closed, nothing was approved; there is no fall-back",
            "已截止，无人签署；没有备用申报",
        ),
        ("the rack is warm", "the rack is warm"),
    ],
)
def test_a_sentence_of_the_log_is_told_in_chinese(why, told):
    assert why_words(CHINESE, why) == told


def test_what_a_check_has_found_is_told_as_it_was_judged():
    judged = Judgement(breaches=(Words("limit is 1 MW", "限额为 1 MW"),))

    assert why_words(CHINESE, "limit is 1 MW", judged) == "限额为 1 MW"
    assert why_words(words("en"), "limit is 1 MW", judged) == "limit is 1 MW"
