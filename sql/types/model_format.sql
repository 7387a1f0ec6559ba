CREATE TYPE atomizer.model_format AS ENUM (
    'GGUF', 'SafeTensors', 'ONNX', 'PyTorch', 'TensorFlow', 'StableDiffusion', 'NumPy');
COMMENT ON TYPE atomizer.model_format IS
    'File format of a model, detected from its content. StableDiffusion may be requested: such files are SafeTensors or PyTorch, and model.architecture says which model it is.';
GRANT USAGE ON TYPE atomizer.model_format TO PUBLIC;
