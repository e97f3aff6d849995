import pytest

from cloud.access import Action, Resource, Role, User, authorize

STATION = Resource("station", "haibin-1")
OPERATES = {Action.READ, Action.SEND_ORDER, Action.ANSWER_ALARM, Action.SHELVE_ALARM}
MODELS = {Action.UPLOAD_MODEL, Action.APPROVE_MODEL, Action.DEPLOY_MODEL}
ALARMS = {Action.ANSWER_ALARM, Action.SHELVE_ALARM, Action.TAKE_ALARM_OUT}
TRADES = {
    *(Action.READ, Action.READ_MARKET, Action.IMPORT_PRICES),
    *(Action.EDIT_BID, Action.APPROVE_BID),
}
LEADS = TRADES | {Action.APPROVE_LARGE_BID, Action.SET_LIMITS}
MAINTAINS = {Action.READ} | ALARMS | MODELS


def user(*roles: Role) -> User:
    return User("1", "ann", frozenset(roles))


@pytest.mark.parametrize(
    ("roles", "allowed"),
    [
        ((), set()),
        ((Role.VIEWER,), {Action.READ}),
        ((Role.OPERATOR,), OPERATES),
        ((Role.ENGINEER,), MAINTAINS),
        ((Role.VIEWER, Role.OPERATOR), OPERATES),
        ((Role.OPERATOR, Role.ENGINEER), OPERATES | MAINTAINS),
        ((Role.TRADER,), TRADES),
        ((Role.HEAD_TRADER,), LEADS),
        ((Role.ADMIN,), set(Action)),
    ],
)
def test_each_role_permits_exactly_its_actions(roles, allowed):
    assert {a for a in Action if authorize(user(*roles), a, STATION).allowed} == allowed


def test_a_refusal_names_the_roles_the_action_and_the_resource():
    decision = authorize(user(Role.VIEWER), Action.SEND_ORDER, STATION)

    assert decision.rule == "no role of viewer permits send_order on station haibin-1"


def test_nobody_may_do_nothing():
    assert not any(authorize(None, action, STATION).allowed for action in Action)
