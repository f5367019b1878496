"""Draws images of cats, dogs and other animals, as in a children's book.

What tells one kind from another is data: ``breeds`` gives each trait of each breed a distribution,
and one engine draws all animals from their traits alone. Scene, coat, pose and light depend on
the seed only, so ``draw("cat", 7)`` and ``draw("dog", 7)`` show the same coat in the same place
and the same light.

The modules, from an outline to a data set (so a cat's ear is chosen in ``breeds``, has its outline
in ``parts`` and its fur in ``coats``, and is put on its head by ``animal``):

========  ==================================================================
geometry  outlines: smooth curves, ellipses, bands, and frames to put them in
palette   colors, and how to mix and vary them
coats     patterns of the fur: stripes, spots, patches, masks
parts     outlines of ears, horns, eyes, noses, tails, heads, muzzles, bodies
scenes    backdrops, and the things that stand and lie in them
breeds    which traits a breed has, and how often; traits drawn from a seed
painting  a canvas with light and shadow
animal    an animal, painted part by part
draw      a drawing from a kind and a seed; a sheet of them
sample    a data set of drawings in a folder
========  ==================================================================

Public beyond this package are ``breeds.KINDS``, ``OTHER_KINDS``, ``WILD_RELATIVES``, ``BREEDS``,
``Traits`` and ``draw_traits``, ``draw.draw`` and ``contact_sheet``, ``sample.make_sample`` and
``code_hash``; the other names without an underscore are for the modules of this folder.
"""
