"""Tokens, masks, loss and gradients of supervised fine-tuning. Knows nothing of the web.

Reading order, each wing importing only those before it (and errors, which all may import):
    text          characters as tokens, the chat template, tasks and their right answers
    masks         which tokens the loss counts, and the batches that training reads: the only place that shifts
    network       the GPT and its twins by hand; loss, gradients by position, generation, export
    inspector     ids and labels as any trainer made them: whose token, supervised or not, by which rule wrong
    training      recipes, runs and their checkpoints, the loop as a generator of events, what a model can do
    explain       one conversation as plain values for a page
    experiments   what was measured and ships, one experiment each
    claims        what the lesson states, judged by rules over what was measured
trained/ holds the shipped runs and measurements.

The shift. A rendered conversation is a sequence `s` of T tokens. The model reads `x = s[:-1]` and is scored against
`y = s[1:]`: position t of the inputs predicts token t+1, so target `y[t] = s[t+1]`. A prompt of P tokens ends with
ASSISTANT_START at s[P-1]; the first answer token is s[P], the target at position P-1. Hence `y[: P-1] = IGNORE_INDEX`.

Axis key, used as suffixes of tensor names:
    B rows   T positions   S positions attended to, or supervised   V vocabulary   D width   H heads   K head width
    P parameters
"""
