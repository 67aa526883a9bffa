"""Rules on a template and its folder, before any row: what ends an answer, what a server hears, what is refused."""

from collections.abc import Iterator

from model.inspector.contract import WHERE, StopContract, probe, refusals
from model.inspector.folders import TokenizerFolder
from model.inspector.labelled import Place, plural
from model.inspector.refusals import TemplateRefused
from model.inspector.structure import StructureReader

PRIMARY = ("generation_config.json", "config.json", "tokenizer_config.json")
"""A server reads its stops from the first of these that there is."""


def template_places(
    contract: StopContract,
    reader: StructureReader,
    folder: TokenizerFolder | None,
    given_stops: frozenset[int],
    tools: bool,
) -> Iterator[Place]:
    yield from stop_missing(contract, tools)
    yield from refused_shapes(contract)
    if folder:
        yield from server_stops(contract, folder, given_stops)
        yield from stop_pieces(contract)
        yield from second_bos(reader, folder)


def stop_missing(contract: StopContract, tools: bool) -> Iterator[Place]:
    """M07. Calls and results count only where the data has them."""
    missing = [
        one
        for one in contract.transitions
        if not one.refused and not one.stop and (tools or one.name.startswith("answer")) and one.name != "answer, tool"
    ]
    missing = [one for one in missing if not (one.lost and (one.between or one.name != "answer, end"))]
    if not missing:
        return
    at_end = [one for one in missing if one.name.endswith("end")]
    names = dict.fromkeys(WHERE[one.name] for one in missing)
    places = f"in {plural(len(names), 'kind')} of place{'' if len(names) == 1 else 's'}"
    says = f"The template writes no control token behind an answer {places}: {'; '.join(names)}."
    yield Place("M07", "error" if at_end else "warning", says, count=len(missing))


def refused_shapes(contract: StopContract) -> Iterator[Place]:
    """M31, of conversations that the data need not have."""
    for names, words in refusals(contract):
        yield Place("M31", "info", f"The template refuses some conversations ({names}): {words}")


def server_stops(contract: StopContract, folder: TokenizerFolder, given: frozenset[int]) -> Iterator[Place]:
    """M04."""
    answer = contract.of("answer, user") or contract.of("answer, end")
    last = contract.of("answer, end")
    one = last if last and last.stop_ids else answer
    if one is None or len(one.stop_ids) != 1 or not folder.stops or one.stop_ids[0] in given:
        return
    stop = one.stop_ids[0]
    lacking = [name for name in PRIMARY if name in folder.stops and stop not in folder.stops[name]]
    having = [name for name in PRIMARY if name in folder.stops and stop in folder.stops[name]]
    if not lacking:
        return
    if not having:
        named = " and ".join(lacking)
        says = f"Answers end with {one.stop}, and {named} {'names' if len(lacking) == 1 else 'name'} other stops."
        yield Place("M04", "warning", says)
    else:
        says = (
            f"The files disagree: {' and '.join(having)} {'has' if len(having) == 1 else 'have'} the stop {one.stop}, "
        )
        says += f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} not."
        yield Place("M04", "warning" if "generation_config.json" in lacking else "info", says)


def stop_pieces(contract: StopContract) -> Iterator[Place]:
    """M06."""
    for one in contract.transitions:
        if one.stop and len(one.stop_ids) != 1:
            yield Place(
                "M06", "error", f"The stop {one.stop!r} is {plural(len(one.stop_ids), 'token')}: {list(one.stop_ids)}."
            )
            return


def second_bos(reader: StructureReader, folder: TokenizerFolder) -> Iterator[Place]:
    """M09: the render begins with a begin of text, and the tokenizer puts one before every text."""
    bos = folder.special_id("bos_token")
    if bos is None:
        return
    try:
        text = reader.render(probe("answer, end"), {})
    except TemplateRefused:
        return
    if folder.tokenizer.encode(text, add_special_tokens=True).ids[:2] == [bos, bos]:
        says = f"The render begins with {folder.text_of(bos)}, and the tokenizer adds another to every text."
        yield Place("M09", "warning", says)


def unevaluated(contract: StopContract, folder: TokenizerFolder | None) -> dict[str, str]:
    why: dict[str, str] = {}
    if folder is None:
        why |= dict.fromkeys(("M05", "M06", "M08", "M09", "M37"), "there is no tokenizer")
    if folder is None or not folder.stops:
        why["M04"] = "no serving file names a stop"
    return why
