"""Opening an account, and changing the profile."""

from typing import Any

import pytest

from actors.commands import ChangeProfile, OpenAccount
from actors.domain.life_areas import AREAS
from actors.domain.profile import Notifications, Preferences, Profile
from actors.domain.refusals import Conflict, Invalid, NotFound
from actors.work import accounts, profile
from tests.session.story import ANN, BERLIN, Story

OPEN = OpenAccount(ANN, "ann@example.org", " Ann ", BERLIN, "de")


def opened(command: OpenAccount = OPEN) -> Story:
    story = Story(opened=False)
    story.do(lambda stamp: accounts.open_account(story.state.profile, command, stamp))
    return story


def change(story: Story, **given: Any) -> Profile:
    command = ChangeProfile(**given)
    answer = story.do(lambda stamp: profile.change(story.state.profile, command, stamp))
    assert isinstance(answer, profile.ProfileAnswer)
    assert answer.profile == story.state.profile
    return answer.profile


def test_a_new_account_knows_what_it_was_told_and_nothing_of_the_life_areas() -> None:
    story = opened()
    mine = story.state.profile
    assert mine is not None
    assert (mine.user_id, mine.email, mine.name, mine.tz) == (ANN, "ann@example.org", "Ann", BERLIN)
    assert mine.preferences == Preferences(language="de")
    assert mine.life_areas == dict.fromkeys(AREAS)
    assert mine.created_at == mine.updated_at == story.at


def test_an_account_is_opened_once() -> None:
    story = opened()
    with pytest.raises(Conflict):
        story.do(lambda stamp: accounts.open_account(story.state.profile, OPEN, stamp))


@pytest.mark.parametrize(
    "tz", ["Mars/Olympus", "europe/berlin", "Europe", "../../etc/passwd", "localtime", "\x00", "+01:00"]
)
def test_a_zone_is_one_of_ianas(tz: str) -> None:
    with pytest.raises(Invalid) as refused:
        opened(OpenAccount(ANN, "ann@example.org", "Ann", tz))
    assert set(refused.value.fields or {}) == {"tz"}
    with pytest.raises(Invalid):
        change(opened(), tz=tz)


def test_a_name_says_something() -> None:
    with pytest.raises(Invalid) as refused:
        opened(OpenAccount(ANN, "ann@example.org", " "))
    assert set(refused.value.fields or {}) == {"name"}


def test_only_what_is_given_changes() -> None:
    story = opened()
    mine = change(story, name="Anna", tz="Pacific/Auckland")
    assert (mine.name, mine.tz, mine.email, mine.preferences.language) == (
        "Anna",
        "Pacific/Auckland",
        "ann@example.org",
        "de",
    )
    assert mine.updated_at == story.at > mine.created_at


def test_the_language_can_be_changed_alone_or_with_the_other_preferences() -> None:
    story = opened()
    quiet = Preferences(theme="dark", notifications=Notifications(push=False), language="fr")
    assert change(story, preferences=quiet).preferences == quiet
    mine = change(story, language="pt-BR")
    assert (mine.preferences.language, mine.preferences.theme) == ("pt-BR", "dark")


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    story = opened()
    change(story, name="Ann", tz=BERLIN, language="de")
    change(story)
    assert len(story.events) == 1


def test_there_is_no_profile_before_the_account() -> None:
    with pytest.raises(NotFound):
        change(Story(opened=False), name="Ann")
