"""A plugin for snnc: the table of what it adds. Importing it imports no pass yet."""

from snnc.extend.plugin import Plugin

plugin = Plugin(
    passes={"merge-scales": "merge_scales.merge:MergeScales"},
    presets={"tidy": "clean,merge-scales,clean"},
)
