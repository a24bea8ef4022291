"""Texts that are nearly the same: sketched while they stream past, found by banding, confirmed exactly.

Two texts are near copies where at least `threshold` of their shingles are shared (Jaccard), of every part of a row by
itself (system prompt, prompt, answer), and of the numbers in it as well. A shingle is five characters of the folded
text: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.2.2, take five for texts as short as e-mails.
A text is compared with its closest few candidates only, and with none whose numbers rule it out beforehand: a file
made from a few templates takes time in proportion to its rows.
What many rows of a file share word for word (an instruction in front of every prompt) is its frame and not compared.
"""
