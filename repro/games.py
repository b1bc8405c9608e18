"""The 49 games of Mnih et al. (2015), Extended Data Table 2. Standard library only."""

import difflib
from dataclasses import dataclass

from wrappers import ids


class UnknownGameError(ValueError):
    """Not one of the 49 games; the message names the nearest."""


@dataclass(frozen=True)
class Game:
    """One game: ``name`` is the emulator's ROM name, ``title`` the paper's, ``md5`` the ROM's.

    ``random`` and ``human`` are the mean returns of the random player and of the paper's tester
    (Extended Data Table 2, with the decimals that the paper's percentages were made from).
    """

    name: str
    title: str
    md5: str
    random: float
    human: float

    def percent_of_human(self, score: float) -> float:
        """A raw mean return on the scale where the random player is 0 and the human is 100."""
        return 100 * (score - self.random) / (self.human - self.random)


GAMES: dict[str, Game] = {
    game.name: game
    for game in (
        Game("alien", "Alien", "f1a0a23e6464d954e3a9579c4ccd01c8", 227.8, 6875.4),
        Game("amidar", "Amidar", "acb7750b4d0c4bd34969802a7deb2990", 5.8, 1675.8),
        Game("assault", "Assault", "de78b3a064d374390ac0710f95edde92", 222.4, 1496.4),
        Game("asterix", "Asterix", "89a68746eff7f266bbf08de2483abe55", 210.0, 8503.3),
        Game("asteroids", "Asteroids", "ccbd36746ed4525821a8083b0d6d2c2c", 719.1, 13156.7),
        Game("atlantis", "Atlantis", "9ad36e699ef6f45d9eb6c4cf90475c9f", 12850.0, 29028.1),
        Game("bank_heist", "Bank Heist", "00ce0bdd43aed84a983bef38fe7f5ee3", 14.2, 734.4),
        Game("battle_zone", "Battle Zone", "41f252a66c6301f1e8ab3612c19bc5d4", 2360.0, 37800.0),
        Game("beam_rider", "Beam Rider", "79ab4123a83dc11d468fb2108ea09e2e", 363.9, 5774.7),
        Game("bowling", "Bowling", "c9b7afad3bfd922e006a6bfc1d4f3fe7", 23.1, 154.8),
        Game("boxing", "Boxing", "c3ef5c4653212088eda54dc91d787870", 0.1, 4.3),
        Game("breakout", "Breakout", "f34f08e5eb96e500e851a80be3277a56", 1.7, 31.8),
        Game("centipede", "Centipede", "91c2098e88a6b13f977af8c003e0bca5", 2090.9, 11963.2),
        Game(
            "chopper_command", "Chopper Command", "c1cb228470a87beb5f36e90ac745da26", 811.0, 9881.8
        ),
        Game(
            "crazy_climber", "Crazy Climber", "55ef7b65066428367844342ed59f956c", 10780.5, 35410.5
        ),
        Game("demon_attack", "Demon Attack", "f0e0addc07971561ab80d9abe1b8d333", 152.1, 3401.3),
        Game("double_dunk", "Double Dunk", "368d88a6c071caba60b4f778615aae94", -18.6, -15.5),
        Game("enduro", "Enduro", "94b92a882f6dbaa6993a46e2dcc58402", 0.0, 309.6),
        Game("fishing_derby", "Fishing Derby", "b8865f05676e64f3bec72b9defdacfa7", -91.7, 5.5),
        Game("freeway", "Freeway", "8e0ab801b1705a740b476b7f588c6d16", 0.0, 29.6),
        Game("frostbite", "Frostbite", "4ca73eb959299471788f0b685c3ba0b5", 65.2, 4334.7),
        Game("gopher", "Gopher", "c16c79aad6272baffb8aae9a7fff0864", 257.6, 2321.0),
        Game("gravitar", "Gravitar", "8ac18076d01a6b63acf6e2cab4968940", 173.0, 2672.0),
        Game("hero", "H.E.R.O.", "fca4a5be1251927027f2c24774a02160", 1027.0, 25762.5),
        Game("ice_hockey", "Ice Hockey", "a4c08c4994eb9d24fb78be1793e82e26", -11.2, 0.9),
        Game("jamesbond", "James Bond", "e51030251e440cffaab1ac63438b44ae", 29.0, 406.7),
        Game("kangaroo", "Kangaroo", "4326edb70ff20d0ee5ba58fa5cb09d60", 52.0, 3035.0),
        Game("krull", "Krull", "4baada22435320d185c95b7dd2bcdb24", 1598.0, 2394.6),
        Game(
            "kung_fu_master", "Kung-Fu Master", "5b92a93b23523ff16e2789b820e2a4c5", 258.5, 22736.2
        ),
        Game(
            "montezuma_revenge",
            "Montezuma's Revenge",
            "3347a6dd59049b15a38394aa2dafa585",
            0.0,
            4366.7,
        ),
        Game("ms_pacman", "Ms. Pacman", "87e79cd41ce136fd4f72cc6e2c161bee", 307.3, 15693.4),
        Game(
            "name_this_game", "Name This Game", "36306070f0c90a72461551a7a4f3a209", 2292.3, 4076.2
        ),
        Game("pong", "Pong", "60e0ea3cbe0913d39803477945e9e5ec", -20.7, 9.3),
        Game("private_eye", "Private Eye", "ef3a4f64b6494ba770862768caf04b86", 24.9, 69571.3),
        Game("qbert", "Q*Bert", "484b0076816a104875e00467d431c2d2", 163.9, 13455.0),
        Game("riverraid", "River Raid", "393948436d1f4cc3192410bb918f9724", 1338.5, 13513.3),
        Game("road_runner", "Road Runner", "ce5cc62608be2cd3ed8abd844efb8919", 11.5, 7845.0),
        Game("robotank", "Robotank", "4f618c2429138e0280969193ed6c107e", 2.2, 11.9),
        Game("seaquest", "Seaquest", "240bfbac5163af4df5ae713985386f92", 68.4, 20181.8),
        Game("space_invaders", "Space Invaders", "72ffbef6504b75e69ee1045af9075f66", 148.0, 1652.3),
        Game("star_gunner", "Star Gunner", "a3c1c70024d7aabb41381adbfb6d3b25", 664.0, 10250.0),
        Game("tennis", "Tennis", "42cdd6a9e42a3639e190722b8ea3fc51", -23.8, -8.9),
        Game("time_pilot", "Time Pilot", "fc2104dd2dadf9a6176c1c1c8f87ced9", 3568.0, 5925.0),
        Game("tutankham", "Tutankham", "085322bae40d904f53bdcc56df0593fc", 11.4, 167.6),
        Game("up_n_down", "Up and Down", "a499d720e7ee35c62424de882a3351b6", 533.4, 9082.0),
        Game("venture", "Venture", "3e899eba0ca8cd2972da1ae5479b4f0d", 0.0, 1187.5),
        Game(
            "video_pinball", "Video Pinball", "107cc025334211e6d29da0b6be46aec7", 16256.9, 17297.6
        ),
        Game("wizard_of_wor", "Wizard of Wor", "7e8aa18bc9502eb57daaf5e7c1e94da7", 563.5, 4756.5),
        Game("zaxxon", "Zaxxon", "eea0da9b987d661264cce69a7c13c3bd", 32.5, 9173.3),
    )
}


def find(name: str) -> Game:
    """Look a game up by its ROM name, its title or an id of gymnasium's.

    Args:
        name: ``space_invaders``, ``Space Invaders`` or ``ALE/SpaceInvaders-v5``, in any case. An
            id's own settings are not used; ids.OtherProtocolWarning says which those are.

    Raises:
        UnknownGameError: naming the nearest of the 49, if one is near.
    """
    found = ids.read(name)
    wanted = _plain(found.title if found else name)
    if wanted in _BY_NAME:
        ids.warn(name, _BY_NAME[wanted].name)
        return _BY_NAME[wanted]
    near = difflib.get_close_matches(wanted[:100], _BY_NAME, n=1, cutoff=0.6)
    hint = f"did you mean {_BY_NAME[near[0]].name!r}?" if near else "`repro games` lists them"
    raise UnknownGameError(f"{name!r} is not one of the 49 games; {hint}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_BY_NAME = {_plain(key): game for game in GAMES.values() for key in (game.name, game.title)}
