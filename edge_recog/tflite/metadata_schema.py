"""The schema of TFLite Metadata, in the notation of `schema`.

Transcribed from `metadata_schema.fbs`, parser version 1.5.0:
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs
"""

METADATA_IDENTIFIER = b"M001"
"""Bytes 4 to 8 of the metadata's own FlatBuffer."""

METADATA_TABLES = {
    "ModelMetadata": (
        "name:string description:string version:string subgraph_metadata:[SubGraphMetadata] "
        "author:string license:string associated_files:[AssociatedFile] min_parser_version:string"
    ),
    "SubGraphMetadata": (
        "name:string description:string input_tensor_metadata:[TensorMetadata] "
        "output_tensor_metadata:[TensorMetadata] associated_files:[AssociatedFile]"
    ),
    "TensorMetadata": (
        "name:string description:string dimension_names:[string] content:Content "
        "process_units:[ProcessUnit] stats:Stats associated_files:[AssociatedFile]"
    ),
    "AssociatedFile": "name:string description:string type:i8 locale:string version:string",
    "Content": "content_properties_type:u8 content_properties:|ContentProperties range:ValueRange",
    "ImageProperties": "color_space:i8 default_size:ImageSize",
    "ImageSize": "width:u32 height:u32",
    "ValueRange": "min:i32 max:i32",
    "ProcessUnit": "options_type:u8 options:|ProcessUnitOptions",
    "NormalizationOptions": "mean:(f32) std:(f32)",
    "ScoreCalibrationOptions": "score_transformation:i8 default_score:f32",
    "ScoreThresholdingOptions": "global_score_threshold:f32",
    "Stats": "max:(f32) min:(f32)",
}

METADATA_UNIONS = {
    "ContentProperties": (
        "NONE",
        "FeatureProperties",
        "ImageProperties",
        "BoundingBoxProperties",
        "AudioProperties",
    ),
    "ProcessUnitOptions": (
        "NONE",
        "NormalizationOptions",
        "ScoreCalibrationOptions",
        "ScoreThresholdingOptions",
        "BertTokenizerOptions",
        "SentencePieceTokenizerOptions",
        "RegexTokenizerOptions",
    ),
}
