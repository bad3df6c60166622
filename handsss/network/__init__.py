"""The networks: encoder, regressors, keypoint branch, and the S2HAND module that joins them."""
