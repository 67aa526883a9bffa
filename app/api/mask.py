"""/api/v1/mask and /api/v1/policies: the labels of any conversation under any policy, and the policies there are."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Request, Slug, Text
from app.deps import CatalogDep
from model.explain.cells import Kind, Mistake, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, differing_knobs, find_policy
from model.training.conversations import MOST_CONVERSATIONS, MOST_MESSAGES, fill_in, messages_of, render_messages
from model.training.recipes import Recipe

router = APIRouter(prefix="/api/v1", tags=["masks"], responses=ERRORS)


class MessageRequest(Request):
    role: Slug = Field(description="`user` or `assistant`.")
    content: Text | None = Field(None, description="Of an assistant: null for the right answer.")


Messages = Annotated[list[MessageRequest], Field(max_length=MOST_MESSAGES)]


class MaskRequest(Request):
    """Give `prompts`, whose right answers are filled in, or `conversations`, message by message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"recipe": "dialogue", "prompts": ["abc de 1"], "policy": "last-turn-only"}],
        }
    )

    recipe: Slug = "reverse"
    policy: Slug = Field(RIGHT.slug, description="One of /api/v1/policies: mask, shift, padding side, packing.")
    prompts: Annotated[list[Text], Field(max_length=MOST_CONVERSATIONS)] = Field(
        default_factory=list, description="The user's text; in a dialogue a space begins the user's next turn."
    )
    conversations: Annotated[list[Messages], Field(max_length=MOST_CONVERSATIONS, default_factory=list)]
    row_tokens: Annotated[int, Field(ge=2, le=4096)] | None = Field(
        None, description="Of a packed row; default: the recipe's context and one."
    )


class MaskQuery(Request):
    """The same in a query: `prompt` may be repeated."""

    model_config = ConfigDict(strict=False)

    recipe: Slug = "reverse"
    policy: Slug = RIGHT.slug
    prompt: Annotated[list[Text], Field(max_length=MOST_CONVERSATIONS, default_factory=list)]
    row_tokens: Annotated[int, Field(ge=2, le=4096)] | None = None


class MaskCell(Answer):
    """Position t of a row: reads token t, may be scored on a later one."""

    position: int
    place: int = Field(description="The position that the model is told.")
    document: int = Field(description="Which of the row's conversations, from 1; 0 for a pad.")
    turn: int = Field(description="Which answer the next token belongs to, from 1; 0 for none.")
    input: str
    input_kind: Kind
    next: str
    next_kind: Kind
    target: str | None = Field(description="null where ignored.")
    right_target: str | None = Field(description="Under the right policy in the same layout.")
    mistake: Mistake | None
    weight: float = Field(description="In the mean loss.")


class MaskAnswer(Answer):
    recipe: str
    policy: str
    code: str
    supervised_count: int
    ignored_count: int
    mistake_count: int
    cut_tokens: int = Field(description="Tokens that no row holds because the policy cuts long conversations.")
    rows: list[list[MaskCell]]


class PolicyAnswer(Answer):
    slug: str
    title: str
    code: str
    differs: dict[str, Any] = Field(description="The knobs that are not those of the right policy.")


class PolicyList(Answer):
    policies: list[PolicyAnswer]


@router.get("/policies")
async def policies() -> PolicyList:
    """Every loss mask and its surroundings, the right one first."""
    return PolicyList(
        policies=[
            PolicyAnswer.model_validate({**vars(policy), "differs": differing_knobs(policy)})
            for policy in MASK_POLICIES.values()
        ]
    )


@router.get("/mask")
async def mask_by_query(query: Annotated[MaskQuery, Query()], catalog: CatalogDep) -> MaskAnswer:
    """The labels of prompts with their right answers."""
    given = query.model_dump(exclude={"prompt"})
    return _mask(MaskRequest(**given, prompts=query.prompt), catalog.recipe(query.recipe))


@router.post("/mask")
async def mask(body: MaskRequest, catalog: CatalogDep) -> MaskAnswer:
    """The labels of any conversations, position by position, beside the right ones."""
    return _mask(body, catalog.recipe(body.recipe))


def _mask(request: MaskRequest, recipe: Recipe) -> MaskAnswer:
    policy = find_policy(request.policy)
    conversations = [messages_of(recipe, prompt) for prompt in request.prompts]
    conversations += [fill_in(recipe, [(m.role, m.content) for m in messages]) for messages in request.conversations]
    rendered = render_messages(recipe, conversations, policy, request.row_tokens)
    return MaskAnswer.model_validate(inspect_mask(recipe, rendered, policy, request.row_tokens).as_plain())
