"""The command line ``npc-radiomics``: one command, one job; the same code as in Slicer behind it."""

from NPCResponseLib.commands.program import Program

from . import features, heterogeneity, phantom, subregions, train_map

_program = Program(
    "npc-radiomics",
    help="Tumor sub-regions and radiomics of nasopharyngeal carcinoma. Research use only; not for diagnosis.",
    examples=(
        "npc-radiomics phantom demo/recurrence --patients 14",
        "npc-radiomics heterogeneity demo/recurrence/manifest.csv --output demo/heterogeneity",
        "npc-radiomics features --panel toolbox47 --volume t1.nrrd --mask gtv.nrrd --json",
    ),
)

_program.add("subregions", subregions)
_program.add("heterogeneity", heterogeneity)
_program.add("features", features)
_program.add("train-map", train_map)
_program.add("phantom", phantom)

run = _program.run
