"""Tumor sub-regions and radiomics of nasopharyngeal carcinoma. Builds on NPCResponseLib, never the other way round."""
