"""The main sentences in Chinese; the English template is the key, so a missing one falls back to English."""

from __future__ import annotations

from collections.abc import Mapping

CHINESE: Mapping[str, str] = {
    "Next: {next}": "下一步:{next}",
    "wrote {path}": "已写入 {path}",
    "{rows:,} rows, {columns} columns.": "{rows:,} 行,{columns} 列。",
    "left out": "未使用",
    "look at": "请留意",
    "use it": "如需使用",
    "change it": "如需更改",
    "leave it out": "如需去掉",
    "nothing had changed; this is {version}": "没有变化;仍是 {version}",
    "training was there already, so nothing was profiled": "训练此前已完成,因此没有进行性能分析",
    "promote {version}: {reason}": "升级到 {version}:{reason}",
    "keep {version}: {reason}": "保留 {version}:{reason}",
    "{name} serves {version}": "{name} 现在使用 {version}",
    "Stopped. The same command goes on from here.": "已停止。重新运行同一命令即可继续。",
    "Would {what}. Nothing was changed (--dry-run).": "将会{what}。未作任何更改(--dry-run)。",
    "This is a bug in Feilun: {what}. Run again with --debug for the traceback, and please report it.": (
        "这是飞轮的错误:{what}。请加 --debug 重新运行查看详情,并告诉我们。"
    ),
    "nothing here yet": "这里还没有内容",
    "{count} rows answered": "已回答 {count} 行",
    "{count} rows have longer texts than are read; the rest of them is left out": (
        "{count} 行的文本超过可读取的长度,超出部分未读取"
    ),
    "{count} rows have fewer steps before them than a window": "{count} 行之前的步数不足一个窗口",
    "A new dialogue.": "开始新的对话。",
    "A new dialogue, which begins with that.": "开始新的对话,以此为系统消息。",
    "This model was taught no dialogues, and takes no system message.": "该模型没有学过对话,不接受系统消息。",
    "There is no command {word}. Commands: {commands}": "没有命令 {word}。可用命令:{commands}",
    "(as long as --max-length allows)": "(已达到 --max-length 的长度)",
    "{called} keeps the dialogue.": "{called} 会记住对话。",
    "{called} answers every question for itself.": "{called} 单独回答每个问题。",
    "{called} goes on with what you write, every line for itself.": "{called} 接着您写的内容往下写,每行各自独立。",
    "nothing to clean": "没有可清理的内容",
    "ready: {rows:,} rows, task {task}, model {model}": "可以运行:{rows:,} 行,任务 {task},模型 {model}",
    "the recipe is right; nothing was trained": "配方正确;未进行训练",
}


def tell(lang: str, template: str, **values: object) -> str:
    """The sentence in this language, filled in."""
    return (CHINESE.get(template, template) if lang == "zh" else template).format(**values)
