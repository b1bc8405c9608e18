"""The 49 games of Mnih et al. (2015), Extended Data Table 2. Standard library only."""

import difflib
from dataclasses import dataclass


class UnknownGameError(ValueError):
    """Not one of the 49 games; the message names the nearest."""


@dataclass(frozen=True)
class Game:
    """One game: ``name`` is the emulator's ROM name, ``title`` the paper's, ``md5`` the ROM's."""

    name: str
    title: str
    md5: str


GAMES: dict[str, Game] = {
    game.name: game
    for game in (
        Game("alien", "Alien", "f1a0a23e6464d954e3a9579c4ccd01c8"),
        Game("amidar", "Amidar", "acb7750b4d0c4bd34969802a7deb2990"),
        Game("assault", "Assault", "de78b3a064d374390ac0710f95edde92"),
        Game("asterix", "Asterix", "89a68746eff7f266bbf08de2483abe55"),
        Game("asteroids", "Asteroids", "ccbd36746ed4525821a8083b0d6d2c2c"),
        Game("atlantis", "Atlantis", "9ad36e699ef6f45d9eb6c4cf90475c9f"),
        Game("bank_heist", "Bank Heist", "00ce0bdd43aed84a983bef38fe7f5ee3"),
        Game("battle_zone", "Battle Zone", "41f252a66c6301f1e8ab3612c19bc5d4"),
        Game("beam_rider", "Beam Rider", "79ab4123a83dc11d468fb2108ea09e2e"),
        Game("bowling", "Bowling", "c9b7afad3bfd922e006a6bfc1d4f3fe7"),
        Game("boxing", "Boxing", "c3ef5c4653212088eda54dc91d787870"),
        Game("breakout", "Breakout", "f34f08e5eb96e500e851a80be3277a56"),
        Game("centipede", "Centipede", "91c2098e88a6b13f977af8c003e0bca5"),
        Game("chopper_command", "Chopper Command", "c1cb228470a87beb5f36e90ac745da26"),
        Game("crazy_climber", "Crazy Climber", "55ef7b65066428367844342ed59f956c"),
        Game("demon_attack", "Demon Attack", "f0e0addc07971561ab80d9abe1b8d333"),
        Game("double_dunk", "Double Dunk", "368d88a6c071caba60b4f778615aae94"),
        Game("enduro", "Enduro", "94b92a882f6dbaa6993a46e2dcc58402"),
        Game("fishing_derby", "Fishing Derby", "b8865f05676e64f3bec72b9defdacfa7"),
        Game("freeway", "Freeway", "8e0ab801b1705a740b476b7f588c6d16"),
        Game("frostbite", "Frostbite", "4ca73eb959299471788f0b685c3ba0b5"),
        Game("gopher", "Gopher", "c16c79aad6272baffb8aae9a7fff0864"),
        Game("gravitar", "Gravitar", "8ac18076d01a6b63acf6e2cab4968940"),
        Game("hero", "H.E.R.O.", "fca4a5be1251927027f2c24774a02160"),
        Game("ice_hockey", "Ice Hockey", "a4c08c4994eb9d24fb78be1793e82e26"),
        Game("jamesbond", "James Bond", "e51030251e440cffaab1ac63438b44ae"),
        Game("kangaroo", "Kangaroo", "4326edb70ff20d0ee5ba58fa5cb09d60"),
        Game("krull", "Krull", "4baada22435320d185c95b7dd2bcdb24"),
        Game("kung_fu_master", "Kung-Fu Master", "5b92a93b23523ff16e2789b820e2a4c5"),
        Game("montezuma_revenge", "Montezuma's Revenge", "3347a6dd59049b15a38394aa2dafa585"),
        Game("ms_pacman", "Ms. Pacman", "87e79cd41ce136fd4f72cc6e2c161bee"),
        Game("name_this_game", "Name This Game", "36306070f0c90a72461551a7a4f3a209"),
        Game("pong", "Pong", "60e0ea3cbe0913d39803477945e9e5ec"),
        Game("private_eye", "Private Eye", "ef3a4f64b6494ba770862768caf04b86"),
        Game("qbert", "Q*Bert", "484b0076816a104875e00467d431c2d2"),
        Game("riverraid", "River Raid", "393948436d1f4cc3192410bb918f9724"),
        Game("road_runner", "Road Runner", "ce5cc62608be2cd3ed8abd844efb8919"),
        Game("robotank", "Robotank", "4f618c2429138e0280969193ed6c107e"),
        Game("seaquest", "Seaquest", "240bfbac5163af4df5ae713985386f92"),
        Game("space_invaders", "Space Invaders", "72ffbef6504b75e69ee1045af9075f66"),
        Game("star_gunner", "Star Gunner", "a3c1c70024d7aabb41381adbfb6d3b25"),
        Game("tennis", "Tennis", "42cdd6a9e42a3639e190722b8ea3fc51"),
        Game("time_pilot", "Time Pilot", "fc2104dd2dadf9a6176c1c1c8f87ced9"),
        Game("tutankham", "Tutankham", "085322bae40d904f53bdcc56df0593fc"),
        Game("up_n_down", "Up and Down", "a499d720e7ee35c62424de882a3351b6"),
        Game("venture", "Venture", "3e899eba0ca8cd2972da1ae5479b4f0d"),
        Game("video_pinball", "Video Pinball", "107cc025334211e6d29da0b6be46aec7"),
        Game("wizard_of_wor", "Wizard of Wor", "7e8aa18bc9502eb57daaf5e7c1e94da7"),
        Game("zaxxon", "Zaxxon", "eea0da9b987d661264cce69a7c13c3bd"),
    )
}


def find(name: str) -> Game:
    """Look a game up by its ROM name (``space_invaders``) or its title (``Space Invaders``).

    Raises:
        UnknownGameError: naming the nearest of the 49.
    """
    plain = {_plain(key): game for game in GAMES.values() for key in (game.name, game.title)}
    wanted = _plain(name)
    if wanted in plain:
        return plain[wanted]
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.5)
    hint = f"did you mean {plain[near[0]].name!r}?" if near else "`repro games` lists them"
    raise UnknownGameError(f"{name!r} is not one of the 49 games; {hint}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
