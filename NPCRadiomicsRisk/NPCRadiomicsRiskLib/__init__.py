"""Sub-regions, radiomics and risk signatures of nasopharyngeal carcinoma. Nothing is implemented yet."""
