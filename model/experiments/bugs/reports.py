"""Public reports of mask bugs in real projects, by the bug they are nearest to. Literal data, in our own words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """A public report of the same bug in a real project."""

    repository: str
    number: int
    happened: str

    @property
    def address(self) -> str:
        """GitHub leads from an issue's address to the pull request of that number."""
        return f"https://github.com/{self.repository}/issues/{self.number}"


REPORTS: dict[str, tuple[Report, ...]] = {
    "mask-late": (
        Report(
            "lm-sys/FastChat",
            3061,
            "The targets began one token too late, so the first word of each answer was never trained; someone "
            "noticed by decoding the targets.",
        ),
        Report(
            "NVIDIA-NeMo/Automodel",
            272,
            "The loss mask of the instruction data sets was one position off the labels; the fix moved it, "
            "and took the end of text out of the inputs.",
        ),
    ),
    "eos-masked": (
        Report(
            "verl-project/verl",
            3287,
            "A fix of the mask for several turns moved it by one for single turns: a prompt token got a loss, "
            "the stop got none, and models did not stop, as pull request 5362 reports.",
        ),
        Report(
            "axolotl-ai-cloud/axolotl",
            3754,
            "The end of Gemma's turns is not the tokenizer's end of text, which alone was looked for, so it "
            "was ignored: right answers that never stop, and loss curves that look healthy.",
        ),
    ),
    "pad-is-eos": (
        Report(
            "huggingface/trl",
            976,
            "With the pad set to the end of text, the collator ignored every label equal to it, the real ends "
            "included, and models rarely or never ended an answer.",
        ),
        Report(
            "deepseek-ai/DeepSeek-Coder",
            163,
            "A user sees that pad and end of text are the same token, so every end is ignored in fine-tuning, "
            "and asks how the base was trained: in most of their runs it repeats a line for ever.",
        ),
    ),
    "unmasked": (
        Report(
            "karpathy/nanochat",
            570,
            "A rewrite of the data loader dropped the mask that the conversations came with, so that users' "
            "tokens were trained as well; it was noticed by reading the code.",
        ),
    ),
    "all-masked": (
        Report(
            "huggingface/trl",
            3927,
            "Conversations longer than the limit were cut before any answer, so that rows without a label "
            "were trained on without a word of warning.",
        ),
    ),
    "packed-naive": (
        Report(
            "MeetKai/functionary",
            265,
            "Asked how documents in one row are kept apart, the maintainers compare losses: naive packing "
            "gives another loss than the documents alone, separated packing the same.",
        ),
        Report(
            "pytorch/torchtitan",
            3130,
            "The end of a conversation was only ever a target, never an input, so in a packed row nothing "
            "marked the seam that the document mask looks for, and attention ran across it.",
        ),
    ),
}
"""By the slug of the bug."""
