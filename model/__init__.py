"""Tokens, masks, loss and gradients of supervised fine-tuning. Knows nothing of the web.

Reading order: errors, tokenizer, chat, tasks, masks, batches (the only file that shifts), gpt, loss, backward,
attribution, analysis, decoder, generation, evaluation, recipes, checkpoints, training, ablation,
ablation_plan, ablation_analysis, ablation_words, export, benchmarks.

The shift. A rendered conversation is a sequence `s` of T tokens. The model reads `x = s[:-1]` and is scored against
`y = s[1:]`: position t of the inputs predicts token t+1, so target `y[t] = s[t+1]`. A prompt of P tokens ends with
ASSISTANT_START at s[P-1]; the first answer token is s[P], the target at position P-1. Hence `y[: P-1] = IGNORE_INDEX`.

Axis key, used as suffixes of tensor names:
    B rows   T positions   S positions attended to   V vocabulary   D width   H heads   K head width   P parameters
"""
