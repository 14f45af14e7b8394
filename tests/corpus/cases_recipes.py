"""Recipes: YAML that is none, keys and values nobody knows, parts that do not fit together."""

from __future__ import annotations

from broken import QUICK, Case, all_of, data, table, text

CHECK = ("check", "r.yaml")
RUN = ("run", "r.yaml", *QUICK)
TABLE = all_of(
    text("t.csv", table(120)), text("three.csv", table(120, x=lambda i: i * 7 % 31, z=lambda i: "pqr"[i * 7 % 31 % 3]))
)


def case(name: str, recipe: str, *says: str, words: tuple[str, ...] = CHECK, code: int = 2) -> Case:
    """A recipe over the usual table."""
    return Case(name=name, make=all_of(TABLE, text("r.yaml", recipe)), words=words, code=code, says=says)


BASE = "data: {source: t.csv}\ntarget: y\n"
CASES = [
    case("recipe: empty", "", "data"),
    case("recipe: a list", "- a\n- b\n", "r.yaml"),
    case("recipe: a tab", "data:\n\tsource: t.csv\n", "r.yaml:2"),
    case("recipe: a bracket that never ends", "data: {source: t.csv\ntarget: y\n", "r.yaml"),
    case("recipe: a key twice", BASE + "target: x\n", "target", "r.yaml:3"),
    case("recipe: unknown key", BASE + "modle: mlp\n", "modle", "model"),
    case("recipe: unknown key below", BASE + "train: {epoch: 3}\n", "train.epoch", "epochs"),
    case("recipe: a Hugging Face name", BASE + "train: {num_train_epochs: 3}\n", "num_train_epochs", "train.epochs"),
    case("recipe: a Keras name", BASE + "train: {lr: 3}\n", "learning_rate"),
    case("recipe: a word for a number", BASE + "train: {epochs: many}\n", "train.epochs", "many"),
    case("recipe: a negative number", BASE + "train: {epochs: -1}\n", "train.epochs"),
    case(
        "recipe: a share above one",
        BASE + "improve: {share: 2}\n",
        "improve.share",
    ),
    case("recipe: infinite learning rate", BASE + "train: {learning_rate: .inf}\n", "learning_rate"),
    case("recipe: a seed beyond 32 bits", BASE + "seed: 99999999999\n", "seed"),
    case("recipe: a path as name", BASE + "name: ../up\n", "name"),
    case("recipe: unknown model", BASE + "model: transfromer\n", "transformer"),
    case("recipe: unknown model option", BASE + "model: {name: mlp, widht: 3}\n", "widht", "width"),
    case("recipe: a model that does not read this", BASE + "model: cnn\n", "cnn", words=("run", "r.yaml")),
    case("recipe: unknown task", BASE + "task: clasification\n", "classification"),
    case("recipe: unknown score", BASE + "evaluate: {score: acuracy}\n", "accuracy"),
    case("recipe: unknown kind", BASE + "inputs: {x: numbr}\n", "number"),
    case("recipe: unknown option of a kind", BASE + "inputs: {x: {kind: number, transfrom: none}}\n", "transform"),
    case("recipe: target among inputs", BASE + "inputs: {y: category}\n", "y", "target"),
    case("recipe: a positive class nobody has", BASE + "evaluate: {positive: perhaps}\n", "perhaps", words=RUN),
    case("recipe: regression on words", BASE + "task: regression\n", "y", words=RUN),
    case(
        "recipe: a variable that is not set",
        "data: {source: '${FEILUN_NOT_SET_HERE}/t.csv'}\ntarget: y\n",
        "FEILUN_NOT_SET_HERE",
    ),
    case("recipe: a source that is a URL of another kind", "data: {source: 'ftp://host/t.csv'}\ntarget: y\n", "ftp"),
    case("recipe: an unknown format", "data: {source: t.csv, format: cvs}\ntarget: y\n", "csv"),
    case("recipe: an encoding nobody knows", "data: {source: t.csv, encoding: utf-99}\ntarget: y\n", "utf-99"),
    case("recipe: the wrong delimiter", "data: {source: t.csv, delimiter: ';'}\ntarget: y\n", "y"),
    case(
        "recipe: costs of three classes",
        "data: {source: three.csv}\ntarget: z\nevaluate: {costs: {false_positive: 1}}\n",
        "costs",
        words=RUN,
    ),
    case(
        "recipe: a metric that is no expression",
        BASE + "evaluate: {metrics: {m: 'mean(actual =='}}\n",
        "metrics",
        words=RUN,
    ),
    case(
        "recipe: a metric that wants to run code",
        BASE + "evaluate: {metrics: {m: '__import__(\"os\").getcwd()'}}\n",
        "metrics",
        words=RUN,
    ),
    Case(
        name="recipe: a metric over a column that is called as an answer is",
        make=all_of(
            text("t.csv", table().replace("x,c,y", "x,score,y")),
            text("r.yaml", BASE + "evaluate: {metrics: {m: mean(score)}}\n"),
        ),
        words=RUN,
        says=("score", 'column("score")', 'answer("score")'),
    ),
    Case(
        name="recipe: groups of a column with one value",
        make=all_of(
            text("t.csv", table(120, x=lambda i: i % 17 + i / 1000, k=lambda i: 7, y=lambda i: "ab"[i % 2])),
            text("r.yaml", BASE + "evaluate: {groups: [k]}\n"),
        ),
        words=RUN,
        code=0,
        says=("groups of k", "same value"),
    ),
    case("recipe: a metric over an unknown column", BASE + "evaluate: {metrics: {m: mean(wage)}}\n", "wage", words=RUN),
    case(
        "recipe: balance of numbers",
        "data: {source: t.csv}\ntarget: x\ntask: regression\ntrain: {balance: weights}\n",
        "balance",
        words=RUN,
    ),
    case(
        "recipe: a file for a model that is not there",
        BASE + "model: {file: mine.py}\n",
        "mine.py",
        words=("run", "r.yaml"),
    ),
    Case(
        name="recipe: a model file that does not run",
        make=all_of(
            TABLE, text("mine.py", "import nothing_like_this\n"), text("r.yaml", BASE + "model: {file: mine.py}\n")
        ),
        words=("run", "r.yaml"),
        says=("mine.py", "nothing_like_this"),
    ),
    Case(
        name="recipe: a model file without a model",
        make=all_of(TABLE, text("mine.py", "x = 1\n"), text("r.yaml", BASE + "model: {file: mine.py}\n")),
        words=("run", "r.yaml"),
        says=("mine.py", "model"),
    ),
    Case(
        name="recipe: a model file of the wrong shape",
        make=all_of(
            TABLE,
            text("mine.py", "import torch\n\n\ndef build(inputs, outputs):\n    return torch.nn.Linear(3, 99)\n"),
            text("r.yaml", BASE + "inputs: {x: number}\nmodel: {file: mine.py}\n"),
        ),
        words=("run", "r.yaml"),
        says=("network", "3"),
    ),
    Case(
        name="recipe: not UTF-8",
        make=all_of(TABLE, data("r.yaml", "data: {source: t.csv}\ntarget: é\n".encode("latin-1"))),
        words=CHECK,
        says=("r.yaml",),
    ),
    Case(name="recipe: a folder", make=all_of(TABLE, data("r.yaml/x", b"")), words=CHECK, says=("r.yaml",)),
    Case(
        name="recipe: a Python object",
        make=all_of(TABLE, text("r.yaml", "!!python/object/apply:os.getcwd []\n")),
        words=CHECK,
        says=("r.yaml",),
    ),
    Case(
        name="recipe: a billion laughs",
        make=all_of(
            TABLE,
            text(
                "r.yaml",
                "a: &a [x,x,x,x,x,x,x,x,x]\n"
                + "".join(f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 9)}]\n" for k in range(9)),
            ),
        ),
        words=CHECK,
        says=("r.yaml",),
    ),
    Case(
        name="fail-under without a number",
        make=all_of(TABLE, text("r.yaml", BASE)),
        words=(*RUN, "--fail-under", "auc=high"),
        says=("auc=high",),
    ),
    Case(
        name="fail-under of a score nobody has",
        make=all_of(TABLE, text("r.yaml", BASE)),
        words=(*RUN, "--fail-under", "aucc=0.8"),
        says=("aucc", "auc"),
    ),
    Case(
        name="fail-under that is missed",
        make=all_of(TABLE, text("r.yaml", BASE)),
        words=(*RUN, "--fail-under", "accuracy=1.1"),
        code=3,
        says=("accuracy",),
    ),
    Case(
        name="one fold",
        make=all_of(TABLE, text("r.yaml", BASE)),
        words=("evaluate", "r.yaml", "--folds", "1"),
        says=("--folds",),
    ),
    Case(
        name="folds of a table with given test rows",
        make=all_of(TABLE, text("r.yaml", "data: {source: t.csv, test: t.csv}\ntarget: y\n")),
        words=("evaluate", "r.yaml", "--folds", "3", *QUICK),
        says=("test",),
    ),
    Case(name="compare what is not there", make=TABLE, words=("compare", "my@1", "my@2"), says=("my",)),
]
