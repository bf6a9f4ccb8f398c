"""Submissions: packs that strangers send, checked and measured again without running anything of theirs."""
